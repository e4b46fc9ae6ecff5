"""python -m bench.chaos [--slots N] [--seed N] [--kinds KIND ...]: run the system under faults and check it.

Two schedulers, three workers and the API run on one PostgreSQL and one Redis, each process behind two proxies
that can cut, hold back or delay its traffic. A simulation is due each second, a measurement every three.
First each kind of fault is injected alone, then faults are mixed. Afterwards every slot must be there once,
every aggregate must equal one of its points, and no answer of the API may have been outdated. The exit code
is 1 if a promise was broken; then the folder with the logs is kept.
"""

import argparse
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from bench.faults.checker import Key, check, is_quiet, recorded
from bench.faults.cluster import INTERVAL, MEASUREMENT_INTERVAL, Cluster, until
from bench.faults.kinds import KINDS, WITHOUT_POSTGRES, group
from bench.faults.watcher import Answers, Watcher
from webapp.queue.enqueue import enqueue_maintenance
from webapp.queue.queues import runs_queue
from webapp.redis import queue_redis

WATCHERS = 3
REPETITIONS = 2  # of each kind alone
MIXED_AT_ONCE = 3
SHORTEST, LONGEST = 1.0, 4.0  # seconds of a fault
PAUSE = 1.5
MIXED_PAUSE = 1.0
CALM_SECONDS = 700  # longer than a run may take, after which maintenance ends abandoned ones
# After PostgreSQL has returned, pooled connections are replaced and started connections time out.
GRACE_SECONDS = 6.0
MIXED = "all kinds mixed"
MAINTENANCE_PAUSE = 5
SIMULATED_LLMS = 3
SHOWN = 20  # of what is broken


@dataclass
class Segment:
    """A part of the run, with the faults that were injected in it."""

    name: str
    start: float
    end: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)

    def has(self, moment: float) -> bool:
        """Return whether the moment is in this part."""
        return self.start <= moment < self.end


class Chaos:
    """The injected faults and when they lasted."""

    def __init__(self, cluster: Cluster, kinds: Sequence[str], seed: int):
        self.segments: list[Segment] = []
        self.without_postgres: list[tuple[float, float]] = []
        self._cluster = cluster
        self._kinds = kinds
        self._random = Random(seed)
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    @property
    def faults(self) -> Counter[str]:
        """The number of faults of each kind."""
        return sum((segment.faults for segment in self.segments), Counter())

    def is_without_postgres(self, begun: float, ended: float) -> bool:
        """Return whether the API could not, or could hardly, reach PostgreSQL at any time between."""
        return any(start <= ended and begun <= end + GRACE_SECONDS for start, end in self.without_postgres)

    def each_kind_alone(self) -> None:
        """Inject each kind a few times, with pauses."""
        for name in self._random.sample(self._kinds, len(self._kinds)):
            with self._segment(name) as segment:
                for _ in range(REPETITIONS):
                    self._inject(name, segment, self._random.randrange(1 << 30))
                    time.sleep(PAUSE)
            print(f"{time.strftime('%X')} {name}", file=sys.stderr)

    def mixed(self, seconds: float) -> None:
        """Inject several kinds concurrently."""
        with self._segment(MIXED) as segment:
            end = time.time() + seconds
            threads = [
                threading.Thread(target=self._mix, args=(segment, end, self._random.randrange(1 << 30)))
                for _ in range(MIXED_AT_ONCE)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _mix(self, segment: Segment, end: float, seed: int) -> None:
        random = Random(seed)
        while time.time() < end:
            name = random.choice(self._kinds)
            with self._lock:
                if group(name) in self._busy:
                    continue
                self._busy.add(group(name))
            self._inject(name, segment, random.randrange(1 << 30))
            with self._lock:
                self._busy.discard(group(name))
            time.sleep(random.uniform(0, MIXED_PAUSE))

    def _inject(self, name: str, segment: Segment, seed: int) -> None:
        random = Random(seed)
        seconds, start = random.uniform(SHORTEST, LONGEST), time.time()
        KINDS[name](self._cluster, random, seconds)
        with self._lock:
            segment.faults[name] += 1
            if name in WITHOUT_POSTGRES:
                self.without_postgres.append((start, time.time()))

    @contextmanager
    def _segment(self, name: str) -> Iterator[Segment]:
        segment = Segment(name, time.time())
        self.segments.append(segment)
        yield segment
        segment.end = time.time()


def main() -> int:
    """Run, check and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description="Inject faults and check.")
    parser.add_argument("--slots", type=int, default=1000, help="Number of slots of all runs.")
    parser.add_argument("--seed", type=int, default=1, help="Random seed of the faults.")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="Default: all.")
    options = parser.parse_args()
    cluster = Cluster()
    ok = False
    try:
        ok = run(cluster, options.slots, options.kinds, options.seed)
    finally:
        cluster.stop(keep_logs=not ok)
    if not ok:
        print(f"\nlogs: {cluster.folder}")
    return 0 if ok else 1


def run(cluster: Cluster, slots: int, kinds: Sequence[str], seed: int) -> bool:
    """Run the system under faults for that number of slots; return whether every promise was kept."""
    cluster.start()
    if not until(lambda: len({llm for _, llm, _ in recorded(cluster.settings)}) > SIMULATED_LLMS, 60):
        raise RuntimeError(f"no runs within a minute; see {cluster.folder}")
    first = int(time.time())
    watchers = [Watcher(cluster) for _ in range(WATCHERS)]
    chaos = Chaos(cluster, kinds, seed)
    chaos.each_kind_alone()
    seconds = slots / (1 / INTERVAL + 1 / MEASUREMENT_INTERVAL)
    chaos.mixed(max(60, first + seconds - time.time()))
    wanted = expected(recorded(cluster.settings), first, int(time.time()))
    end = time.monotonic() + CALM_SECONDS
    while time.monotonic() < end and not (
        wanted <= recorded(cluster.settings).keys() and is_quiet(cluster.settings)
    ):
        # What was lost with Redis' data is found by maintenance, which is due every hour.
        enqueue_maintenance(runs_queue(queue_redis(cluster.settings)), cluster.settings, int(time.time()))
        time.sleep(MAINTENANCE_PAUSE)
    answers = Answers.of([watcher.stop() for watcher in watchers])
    for scheduler in cluster.of("scheduler"):
        scheduler.send(signal.SIGTERM)
        scheduler.wait()
    until(lambda: is_quiet(cluster.settings), CALM_SECONDS)
    return report(chaos, cluster, wanted, answers)


def expected(runs: Iterable[Key], first: int, last: int) -> set[Key]:
    """Return every run that must be there: each second of each simulated LLM, and each measurement."""
    series = {(source, llm) for source, llm, _ in runs}
    return {
        (source, llm, slot)
        for source, llm in series
        for slot in range(first, last)
        if slot % (INTERVAL if source == "simulation" else MEASUREMENT_INTERVAL) == 0
    }


def report(chaos: Chaos, cluster: Cluster, wanted: set[Key], answers: Answers) -> bool:
    """Print a row for each kind of fault and the sums; return whether every promise was kept."""
    runs = recorded(cluster.settings)
    wrong, compared = check(cluster.settings)
    unexplained = [span for span in answers.unavailable if not chaos.is_without_postgres(*span)]
    print("| fault | faults | runs | missed | failed | lost | stale | wrong answers | 503 |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for segment in (*chaos.segments, Segment("all", 0, time.time(), chaos.faults)):
        keys = [key for key in wanted if segment.has(key[2])]
        found = Counter(runs.get(key, "lost") for key in keys)
        row = (
            segment.faults.total(),
            len(keys),
            *(found[status] for status in ("missed", "failed", "lost")),
            *(sum(segment.has(at) for at, _ in seen) for seen in (answers.stale, answers.wrong)),
            sum(segment.has(at) for at, _ in answers.unavailable),
        )
        print(f"| {segment.name} | " + " | ".join(f"{number:,}" for number in row) + " |")
    lost = [key for key in wanted if runs.get(key, "running") == "running"]
    print(
        f"\n{answers.answered:,} answers, {answers.unanswered:,} requests without one;"
        f" {compared:,} rollups recomputed"
    )
    broken = {
        "lost": lost,
        "double or wrong in the database": wrong,
        "stale": answers.stale,
        "wrong answers": answers.wrong,
        "503 with PostgreSQL": unexplained,
    }
    for name, found in broken.items():
        print(f"{name}: {len(found)}", *found[:SHOWN], sep="\n  ")
    return not any(broken.values())


if __name__ == "__main__":
    sys.exit(main())
