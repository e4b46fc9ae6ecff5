"""A large run against a plain COPY of its rows."""

import itertools
import resource
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

from bench.harness import Row, compare, seconds
from bench.sections.run import START, copy, encoded
from jobs.simulation_run import fill_slot
from webapp.settings import Settings
from webapp.store import connect, partitions

POINTS = 1_200_000


def measure(settings: Settings) -> list[Row]:
    """1,200,000 points generated, inserted, rolled up and committed, against a COPY of the rows."""
    large = replace(settings, points_per_run=100_000)
    slots = (START + timedelta(minutes=number) for number in itertools.count())
    with closing(connect(settings)) as conn:
        partitions.ensure(conn, START.date())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        fill_slot(conn, large, next(slots), "bench")
        growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        prepared = encoded(large)
        return [
            compare(
                "points inserted in a run of 1,200,000 / raw binary COPY",
                "points/s",
                ours=lambda: POINTS / seconds(lambda: fill_slot(conn, large, next(slots), "bench")),
                base=lambda: POINTS / seconds(lambda: copy(conn, prepared)),
                rounds=5,
                warmup=1,
                at_least=0.5,
            ),
            Row("memory growth during such a run", "MiB", ours=growth / 1024),
        ]
