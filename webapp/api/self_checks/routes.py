"""GET /api/v1/benchmarks/self-checks: changes without a new generation, so nothing comes from the cache."""

from typing import Any

from flask import Response, current_app

from webapp.api.arguments import filters
from webapp.api.common import cached_answer, json_response, keyed_blueprint
from webapp.api.self_checks.schemas import SelfChecksQuery, SelfChecksSchema
from webapp.cache import snapshot
from webapp.store import self_checks

blueprint = keyed_blueprint(
    "self-checks",
    __name__,
    url_prefix="/api/v1/benchmarks/self-checks",
    description="How exact the measuring is",
)


@blueprint.get("")
@filters(blueprint, SelfChecksQuery)
@cached_answer(blueprint, SelfChecksSchema, errors={503: "The database is unreachable"})
def list_self_checks(query: dict[str, Any]) -> Response:
    """How exact the measuring is.

    The newest self-checks, each of which measures a server whose times are known.
    """
    with snapshot() as conn:
        checks = self_checks.read(conn, query["limit"])
    parts = {
        "interval_s": current_app.extensions["settings"].self_check_interval,
        "checks": [{"slot": slot, "errors": errors} for slot, errors in checks.items()],
    }
    return json_response(SelfChecksSchema().dumps(parts).encode())
