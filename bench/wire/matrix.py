"""Every server by API, end of sequence and concurrency: printed as a table, and kept in results.json."""

import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

from bench.servers import MODEL, installed, running
from bench.wire.compare import FIGURES, QUANTILES, Comparison
from bench.wire.levels import Level, client_process, compared, measured
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server

RESULTS = Path(__file__).parent / "results.json"
MOCK = "mock"
BEHAVIOUR = Behaviour(ttft=0.05, itl=0.005)
APIS = ("chat", "completions")
# Any token may come, the end of the sequence included.
SAMPLING = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}
IGNORING = (False, True)
REQUESTS = {1: 16, 4: 48, 16: 96}  # by concurrency
LINE = "{:<10} {:<12} {:<7} {:>3} {:>5} {:>5}  " + "{:>17}  {:>17}  " * len(FIGURES) + "{}"


def servers() -> list[str]:
    """Return the names of the servers that can be started."""
    return [MOCK, *installed()]


@contextmanager
def server_and_client(name: str, real_time: bool) -> Iterator[tuple[str, Pool]]:
    """Yield the base URL of a running server, and a process that measures on a processor without servers."""
    processors = os.sched_getaffinity(0)
    clients = {max(processors)}
    with ExitStack() as stack:
        os.sched_setaffinity(0, processors - clients or processors)
        try:
            url = stack.enter_context(running_mock_server(BEHAVIOUR) if name == MOCK else running(name))
        finally:
            os.sched_setaffinity(0, processors)
        yield url, stack.enter_context(client_process(processors=clients, real_time=real_time))


def run_matrix(names: Sequence[str], real_time: bool) -> int:
    """Compare with each server, print a line for each level, and return the exit code."""
    heads = [f"{figure} p{q}" for figure in FIGURES for q in QUANTILES]
    print("times in ms: wire -> ours")
    print(LINE.format("server", "API", "ends", "c", "n", "plain", *heads, ""))
    rows = []
    for name in names:
        rows += (found := _run_levels(name, real_time))
        save(f"{name}, real-time" if real_time else name, found)
    _print_largest(rows)
    wrong = sum(row["verdict"] != "ok" for row in rows)
    print(f"{len(rows) - wrong} of {len(rows)} levels within the bounds")
    return 1 if wrong else 0


def _run_levels(name: str, real_time: bool) -> list[dict[str, Any]]:
    rows = []
    with server_and_client(name, real_time) as (url, client):
        for level in _levels():
            if level.concurrency == min(REQUESTS):  # the first of its kind
                measured(client, url, MODEL, level)  # warms the server up
            comparison = compared(client, url, MODEL, level)
            rows.append(_row(name, level, comparison))
            print(_line(name, level, comparison), flush=True)
    return rows


def _print_largest(rows: Sequence[dict[str, Any]]) -> None:
    """Print the largest difference of each figure, over the APIs and ends, by server and concurrency."""
    print("largest differences from the wire in ms")
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["server"], row["concurrency"]), []).append(row)
    for (server, concurrency), group in groups.items():
        largest = {
            name: max(abs(row["ms"][name]["ours"] - row["ms"][name]["wire"]) for row in group)
            for name in group[0]["ms"]
        }
        figures = ", ".join(f"{name} {difference:.2f}" for name, difference in largest.items())
        right = sum(row["verdict"] == "ok" for row in group)
        print(f"{server} c{concurrency}: {figures}; {right} of {len(group)} levels within the bounds")


def save(section: str, rows: list[dict[str, Any]]) -> None:
    """Replace the section's rows, date and environment in the results file."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[section] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def _levels() -> Iterator[Level]:
    for api in APIS:
        for ignoring in IGNORING:
            body = SAMPLING | ({"ignore_eos": True} if ignoring else {})
            for concurrency, requests in REQUESTS.items():
                yield Level(api, concurrency, requests, body)


def _row(name: str, level: Level, comparison: Comparison) -> dict[str, Any]:
    return {
        "server": name,
        "api": level.api,
        "ignore_eos": "ignore_eos" in level.extra_body,
        "concurrency": level.concurrency,
        "answers": comparison.answers,
        "plain": comparison.plain,
        "ms": {
            f"{figure}_p{q}": {"wire": round(pair.wire, 3), "ours": round(pair.ours, 3)}
            for (figure, q), pair in comparison.pairs.items()
        },
        "counts_equal": comparison.are_counts_equal,
        "invalid_reason": comparison.invalid_reason,
        "verdict": comparison.verdict,
    }


def _line(name: str, level: Level, comparison: Comparison) -> str:
    pairs = [f"{pair.wire:.2f} -> {pair.ours:.2f}" for pair in comparison.pairs.values()]
    ends = "ignored" if "ignore_eos" in level.extra_body else "heeded"
    return LINE.format(name, level.api, ends, level.concurrency, comparison.answers, comparison.plain, *pairs,
                       comparison.verdict)  # fmt: skip
