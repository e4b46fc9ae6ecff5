"""Clients of the API that compare each answer with what PostgreSQL had committed before the request."""

import http.client
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import takewhile

import psycopg2

from bench.faults.cluster import KEY, Cluster
from webapp.store import Connection, connect, views

PATHS = (
    "/api/v1/benchmarks/rankings",
    "/api/v1/benchmarks/leaderboard?metric=ttft&window=1h",
    "/api/v1/benchmarks/leaderboard?source=measurement&scenario=chat@c2&metric=ttft&window=latest",
)
PAUSE_SECONDS = 0.05
# The watcher's own read of the generation must not delay its request.
READ_MS = 300
CONTEXT = 50  # bytes shown before a difference


@dataclass
class Answers:
    """What the API has answered, with the moments of requests whose answers are remarkable."""

    answered: int = 0
    unanswered: int = 0
    unavailable: list[tuple[float, float]] = field(default_factory=list)  # 503, from request to answer
    stale: list[tuple[float, str]] = field(default_factory=list)
    wrong: list[tuple[float, str]] = field(default_factory=list)  # other errors, two bodies of one generation

    @classmethod
    def of(cls, parts: Sequence["Answers"]) -> "Answers":
        """Return the sum of the parts."""
        return cls(
            answered=sum(part.answered for part in parts),
            unanswered=sum(part.unanswered for part in parts),
            unavailable=[span for part in parts for span in part.unavailable],
            stale=[seen for part in parts for seen in part.stale],
            wrong=[seen for part in parts for seen in part.wrong],
        )


def differing(*bodies: bytes) -> list[str]:
    """Return the parts of the bodies from where they begin to differ."""
    same = sum(1 for _ in takewhile(lambda each: len(set(each)) == 1, zip(*bodies, strict=False)))
    start = max(0, same - CONTEXT)
    return [repr(body[start : start + 4 * CONTEXT]) for body in bodies]


class Watcher:
    """Requests the same resources over and over, in a thread."""

    def __init__(self, cluster: Cluster):
        self.answers = Answers()
        self._cluster = cluster
        self._bodies: dict[tuple[str, int], bytes] = {}
        self._known = 0  # the newest generation that this watcher has read from PostgreSQL
        self._conn: Connection | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> Answers:
        """Stop watching and return what was seen."""
        self._stop.set()
        self._thread.join()
        return self.answers

    def _watch(self) -> None:
        while not self._stop.is_set():
            with closing(http.client.HTTPConnection("127.0.0.1", self._cluster.port, timeout=30)) as client:
                try:
                    while not self._stop.wait(PAUSE_SECONDS):
                        for path in PATHS:
                            self._request(client, path)
                except (OSError, http.client.HTTPException):  # the API is down, or was killed meanwhile
                    self.answers.unanswered += 1
                    self._stop.wait(0.1)

    def _request(self, client: http.client.HTTPConnection, path: str) -> None:
        at_least, moment = self._committed(), time.time()
        client.request("GET", path, headers={"x-api-key": KEY})
        response = client.getresponse()
        body = response.read()
        self.answers.answered += 1
        if response.status == 503:
            self.answers.unavailable.append((moment, time.time()))
        elif response.status == 200:
            self._check(path, moment, at_least, response, body)
        elif not (response.status == 422 and b"unknown scenario" in body):  # before the first measurement
            self.answers.wrong.append((moment, f"{path}: {response.status} {body[:200]!r}"))

    def _check(
        self, path: str, moment: float, at_least: int, response: http.client.HTTPResponse, body: bytes
    ) -> None:
        number = int((response.getheader("ETag") or "").strip('"g'))
        if number < at_least and not response.getheader("X-Database"):
            took = time.time() - moment
            self.answers.stale.append((moment, f"{path}: {number} < {at_least}, answered in {took:.3f} s"))
        first = self._bodies.setdefault((path, number), body)
        if first != body:
            parts = " | ".join(differing(first, body))
            self.answers.wrong.append((moment, f"{path}: two bodies of generation {number}: {parts}"))

    def _committed(self) -> int:
        """Return the generation that PostgreSQL has now; the newest known one while it is unreachable."""
        try:
            if self._conn is None or self._conn.closed:
                self._conn = connect(self._cluster.settings, "watcher")
                self._conn.autocommit = True
                with self._conn.cursor() as cursor:
                    cursor.execute(f"SET statement_timeout = {READ_MS}")
            self._known = views.generation(self._conn)
        except psycopg2.Error:
            pass
        return self._known
