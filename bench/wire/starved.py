"""A client that other programs keep from the processors: its figures must be right, or not valid."""

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from bench.wire.compare import figures_of_answers, figures_of_records
from bench.wire.levels import Level, captured_level, client_process
from bench.wire.matrix import MODEL, save
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server

LEVEL = Level("chat", concurrency=4, requests=32)
BEHAVIOUR = Behaviour(ttft=0.06, itl=0.004, itl_std=0.001)
LOOPS, NICENESS = 4, 19
RIGHT, INVALID, WRONG = "right", "invalid", "wrong and valid"
MOST_MS = 1.0  # between our ttft and the wire's, mean and median


def run_starved(runs: int) -> int:
    """Measure that many times, print each verdict and their numbers; the exit code is 1 if any is wrong."""
    rows = []
    with running_mock_server(BEHAVIOUR) as url, client_process(NICENESS) as client, _busy_loops():
        for _ in range(runs):
            result, answers = captured_level(client, url, MODEL, LEVEL)
            wire, ours = figures_of_answers(answers)["ttft"], figures_of_records(result)["ttft"]
            errors = [float(of(ours) - of(wire)) for of in (np.mean, np.median)]
            verdict = _verdict(max(map(abs, errors)), result.invalid_reason)
            rows.append({"verdict": verdict, "ttft_error_ms": errors, "client_wait_s": result.client_wait_s})
            print(f"ttft: mean {errors[0]:+.2f} ms, median {errors[1]:+.2f} ms;"
                  f" client wait {result.client_wait_s:.2f} s of {result.duration_s:.1f} s: {verdict}",
                  flush=True)  # fmt: skip
    save("starved", rows)
    verdicts = Counter(row["verdict"] for row in rows)
    print(", ".join(f"{verdicts[name]} {name}" for name in (RIGHT, INVALID, WRONG)))
    return 1 if verdicts[WRONG] else 0


def _verdict(error_ms: float, invalid_reason: str | None) -> str:
    if error_ms <= MOST_MS:
        return RIGHT
    return WRONG if invalid_reason is None else INVALID


@contextmanager
def _busy_loops() -> Iterator[None]:
    """Keep all processors busy."""
    loops = [multiprocessing.get_context("spawn").Process(target=_spin, daemon=True) for _ in range(LOOPS)]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.join()


def _spin() -> None:
    parent = multiprocessing.parent_process()
    while parent and parent.is_alive():
        sum(range(100_000))
