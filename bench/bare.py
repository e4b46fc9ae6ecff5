"""Baselines that gunicorn serves: what a response costs without the API's code."""

import json

from flask import Flask, Response

from llm_measure.metrics import METRICS
from webapp import create_app
from webapp.extensions import db
from webapp.settings import ROOT
from webapp.store.rankings import RANKINGS

BODY = json.dumps(json.loads((ROOT / "public" / "response.json").read_text())).encode()

view = Flask("bare")


@view.get("/")
def same_bytes() -> Response:
    """Return the bytes of the rankings, from memory."""
    return Response(BODY, content_type="application/json")


select = create_app()


@select.get("/bare-select")
def rows() -> Response:
    """Return the rows of the rankings, from one query through the same pool."""
    with db.engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute(RANKINGS, {"metric_names": [metric.name for metric in METRICS.simulated]})
        return Response(json.dumps(cursor.fetchall()), content_type="application/json")
