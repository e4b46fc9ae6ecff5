"""/incidents/<id>: one incident; acknowledged and closed by those who have signed in."""

from typing import Any

from flask import Response, current_app, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound, UnprocessableEntity
from werkzeug.wrappers import Response as AnyResponse

from llm_measure.metrics import METRICS
from webapp.cache import answers, snapshot
from webapp.page import charts
from webapp.page.access import is_signed_in, require_writer
from webapp.page.annotations import of_signal
from webapp.page.views import cache_name, respond_fresh
from webapp.store import Connection, around, catalogue, incidents
from webapp.store.incidents import Incident, Signal
from webapp.watch import actions
from webapp.watch.actions import LONGEST_NOTE, clean_note
from webapp.windows import RUN

# Of each LLM and scenario, the runs that are listed and charted before the incident's start and from it on.
LISTED_BEFORE, LISTED_AFTER, MOST_LISTED = 3, 7, 50
CHARTED_BEFORE, CHARTED_AFTER = 60, 120
MOST_CHARTS = 8


def show(incident_id: int, live: bool) -> Response | str:
    """Return the incident, cached, and the forms for the signed-in, which hold their token, uncached."""
    _, body = answers().read(
        cache_name("incident", {"id": incident_id}), lambda conn: _view(incident_id, conn).encode()
    )
    forms = _forms(incident_id) if is_signed_in() else ""
    return respond_fresh(body.decode() + forms, None, live)


def acknowledge(incident_id: int) -> AnyResponse:
    """Acknowledge the incident with the form's note."""
    return _change(incident_id, actions.acknowledge)


def close(incident_id: int) -> AnyResponse:
    """Close the incident with the form's note."""
    return _change(incident_id, actions.close)


def _view(incident_id: int, conn: Connection) -> str:
    incident = _found(conn, incident_id)
    charted = [signal for signal in incident.signals if signal.metric_name][:MOST_CHARTS]
    return render_template(
        "page/incident.html",
        incident=incident,
        charts=[chart for signal in charted if (chart := _chart(conn, incident, signal))],
        runs=around.runs(conn, incident_id, before=LISTED_BEFORE, after=LISTED_AFTER, limit=MOST_LISTED),
        events=incidents.events(conn, incident_id),
    )


def _found(conn: Connection, incident_id: int) -> Incident:
    found = incidents.read(conn, incident_id=incident_id)
    if not found:
        raise NotFound(f"incident_id={incident_id}: unknown incident")
    return found[0]


def _chart(conn: Connection, incident: Incident, signal: Signal) -> dict[str, Any] | None:
    """Return the signal's series around its start, with its levels before and after; None without values."""
    scenario, llm = catalogue.scenario_id(conn, signal.scenario), catalogue.llm_id(conn, signal.llm_name)
    name = signal.metric_name
    if name is None or name not in METRICS or scenario is None or llm is None:
        return None
    buckets = around.history(
        conn,
        metric_name=name,
        source=incident.source,
        scenario_id=scenario,
        llm_id=llm,
        moment=signal.started_at,
        before=CHARTED_BEFORE,
        after=CHARTED_AFTER,
    )
    if not buckets:
        return None
    field = signal.statistic or "mean"
    label = f"{'p95' if field == 'p95' else 'Mean'} of each run"
    (line,) = charts.over_time({label: buckets}, (field,), RUN)["lines"]
    return {
        "signal": signal,
        "metric": METRICS[name],
        "marks": of_signal(incident, signal),
        "data": {"kind": "lines", "step": RUN, "lines": [line, *charts.levels(signal, buckets)]},
    }


def _forms(incident_id: int) -> str:
    with snapshot() as conn:
        incident = _found(conn, incident_id)
    if incident.resolved_at:
        return ""
    return render_template("page/incident_forms.html", incident=incident, longest_note=LONGEST_NOTE)


def _change(incident_id: int, action: actions.Action) -> AnyResponse:
    """Do something with an incident unless it is resolved; return to its page, which shows how it is now."""
    require_writer()
    note = request.form.get("note", "")
    if len(note) > LONGEST_NOTE:
        raise UnprocessableEntity(f"note: {len(note)} characters; expected at most {LONGEST_NOTE}")
    settings, redis = (current_app.extensions[name] for name in ("settings", "redis"))
    actions.perform(settings, redis, action, incident_id, clean_note(note))
    return redirect(url_for("page.incident", incident_id=incident_id), 303)
