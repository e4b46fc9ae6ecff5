"""GET /api/v1/benchmarks/self-checks, which change without a new generation, so that nothing is cached."""

from typing import Any

from flask import Response, current_app

from webapp.api.arguments import filters
from webapp.api.common import document_read, json_response, keyed_blueprint
from webapp.api.self_checks.schemas import SelfChecksQuery, SelfChecksSchema
from webapp.cache import snapshot
from webapp.store import self_checks

blueprint = keyed_blueprint(
    "self-checks",
    __name__,
    url_prefix="/api/v1/benchmarks/self-checks",
    description="Accuracy of the measuring client",
)


@blueprint.get("")
@filters(blueprint, SelfChecksQuery)
@document_read(blueprint, SelfChecksSchema, errors={503: "Database unreachable"})
def list_self_checks(query: dict[str, Any]) -> Response:
    """List the newest self-checks.

    Each self-check measures a mock server whose times are known, and reports the error of each metric.
    """
    with snapshot() as conn:
        checks = self_checks.read(conn, query["limit"])
    parts = {
        "interval_s": current_app.extensions["settings"].self_check_interval,
        "checks": [{"slot": slot, "errors": errors} for slot, errors in checks.items()],
    }
    return json_response(SelfChecksSchema().dumps(parts).encode())
