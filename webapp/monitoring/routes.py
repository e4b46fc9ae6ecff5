"""GET /metrics of the API."""

from collections.abc import Callable, Iterable, Iterator
from typing import cast

import psycopg2
from flask import Response, current_app, request
from flask_smorest import Blueprint
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from webapp.auth import HEADER, authorization, check_key
from webapp.cache import snapshot
from webapp.errors import ErrorSchema
from webapp.monitoring import queue, requests, stored, watched
from webapp.monitoring.families import dependency_up

monitoring = Blueprint("monitoring", __name__, description="Prometheus metrics")


@monitoring.get("/metrics")
@monitoring.doc(operationId="metrics", security=[{"key": []}, {"bearer": []}])
@monitoring.response(
    200, {"type": "string"}, content_type="text/plain", description="Prometheus' text format"
)
@monitoring.alt_response(401, schema=ErrorSchema, description="API key missing or wrong")
@monitoring.alt_response(429, schema=ErrorSchema, description="Too many wrong API keys from this address")
def metrics() -> Response:
    """Metrics in Prometheus' text format.

    Requires the API key, in x-api-key or as a Bearer token, unless METRICS_PUBLIC is true. While PostgreSQL
    or Redis is down, returns the other metrics; llm_benchmark_dependency_up shows which one is down.
    """
    if not current_app.extensions["settings"].metrics_public:
        _require_key()
    text = generate_latest(cast(Collector, Scrape()))
    return Response(text, content_type=CONTENT_TYPE_PLAIN_0_0_4)


class Scrape:
    """A collector of all families of the API, for one scrape."""

    def collect(self) -> Iterator[Family]:
        """Yield each family once; of a dependency that fails, none."""
        extensions = current_app.extensions
        interval = extensions["settings"].schedule_interval
        yield from requests.collect(extensions["counts"])
        yield GaugeMetricFamily("llm_benchmark_schedule_interval_seconds", "Time between slots", interval)
        in_database = _families(_from_database)
        planned = {each.region for each in extensions["plan"].measurements()}
        in_redis = _families(lambda: queue.collect(extensions["redis"], planned))
        yield from in_database or ()
        yield from in_redis or ()
        yield dependency_up(postgresql=in_database is not None, redis=in_redis is not None)


def _families(collect: Callable[[], Iterable[Family]]) -> list[Family] | None:
    """Return what is collected; None if the dependency that it is read from is unreachable."""
    try:
        return list(collect())
    except (SQLAlchemyError, psycopg2.Error, RedisError):
        return None


def _from_database() -> Iterator[Family]:
    with snapshot() as conn:
        yield from stored.collect(conn)
        yield from watched.collect(conn)


def _require_key() -> None:
    """Check the key like the API; also accept a Bearer token, which Prometheus can send."""
    challenge = WWWAuthenticate("bearer", {"realm": "LLM Benchmark metrics"})
    given = authorization()
    bearer = given.token if given is not None and given.type == "bearer" else None
    candidate = request.headers.get(HEADER) or bearer
    if not candidate:
        raise Unauthorized(
            f"API key missing; expected as a Bearer token or in the header {HEADER}",
            www_authenticate=challenge,
        )
    if not check_key(candidate):
        raise Unauthorized("Wrong API key", www_authenticate=challenge)
