"""Results of shards: each is stored as it comes, and the last one makes all of them the attempt's run."""

from dataclasses import replace
from uuid import UUID

from llm_measure.client.shards import Shard, decode, encode, merge_shards
from llm_measure.load.prompts import Counting
from llm_measure.workloads import Workload
from webapp.ingest.attempt import Attempt
from webapp.ingest.persist import persist
from webapp.plan.measurement import Measurement
from webapp.store import Connection, run_shards


def store_shard(
    conn: Connection, attempt: Attempt, measurement: Measurement, shard: Shard, counting: Counting
) -> None:
    """Store the shard's result for the attempt's one run, and commit; may be called again.

    If all the others are there, the transaction instead deletes them and persists the run that they are
    together. Writes nothing if the run has ended, or a newer attempt has claimed it.
    """
    # The lock comes first: two shards that had inserted, which shares a lock of the run's row, could not both
    # lock the row afterwards.
    if not attempt.hold(conn):
        return
    (run,) = attempt.runs
    run_shards.add(conn, run.id, attempt.token, shard.number, encode(shard))
    if run_shards.count(conn, run.id, attempt.token) < measurement.shards:
        conn.commit()
        return
    shards = [decode(content) for content in run_shards.remove(conn, run.id, attempt.token)]
    endpoint, workload = measurement.endpoint, measurement.endpoint.asked(measurement.workload)
    persist(
        conn,
        attempt,
        workload,
        merge_shards(
            endpoint, seeded(measurement.workload, attempt.token), measurement.level, shards, counting
        ),
        measurement.rank_insecure,
        server=measurement.server,
        shards=[each.facts() for each in shards],
    )


def seeded(workload: Workload, token: UUID) -> Workload:
    """Return the workload with the seed of an attempt, the same for all its shards.

    Another attempt has another one, or the server's caches would know its prompts.
    """
    return replace(workload, seed=token.int & 0xFFFF_FFFF)
