"""GET /api/v1/benchmarks/harness-error: changes without a new generation, so nothing comes from the cache."""

from typing import Any

from flask import Response, current_app

from webapp.api.common import cached_answer, json_response, keyed_blueprint
from webapp.api.filters import filters
from webapp.api.harness_error.schemas import HarnessErrorQuery, HarnessErrorSchema
from webapp.cache import snapshot
from webapp.store import harness_errors

blueprint = keyed_blueprint(
    "harness-error",
    __name__,
    url_prefix="/api/v1/benchmarks/harness-error",
    description="How exact the measuring itself is",
)


@blueprint.get("")
@filters(blueprint, HarnessErrorQuery)
@cached_answer(blueprint, HarnessErrorSchema, errors={503: "The database is away"})
def get_harness_error(query: dict[str, Any]) -> Response:
    """The harness's own error.

    Of the newest self-checks, each of which measures a server whose times are known.
    """
    with snapshot() as conn:
        checks = harness_errors.read(conn, query["limit"])
    parts = {
        "interval_s": current_app.extensions["settings"].self_check_interval,
        "checks": [{"slot": slot, "errors": errors} for slot, errors in checks.items()],
    }
    return json_response(HarnessErrorSchema().dumps(parts).encode())
