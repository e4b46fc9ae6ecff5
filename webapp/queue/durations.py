"""How long jobs wait, may take and are kept, and how often they come; seconds if not said otherwise."""

from webapp.plan.measurement import Measurement

# Seconds after which a run is stopped and retried.
RUN_TIMEOUT = 600
# For how long a measurement's job tries to store its result while the database is unreachable.
STORE_SECONDS = 300
# Seconds that a measurement's job needs for each level in addition to it: to connect, to end and to store.
OVERHEAD_SECONDS = 60 + STORE_SECONDS
# For how long the job of a level with shards waits for the others: if there are too few workers, and if there
# are enough, which have other work.
GATHER_SECONDS = 60
LONGEST_GATHER_SECONDS = 600
# For how long the shards that have come together connect and prepare.
PREPARE_SECONDS = 120
# Without a worker, jobs of this number of slots wait in the queue. The slot of a job that waits for longer
# than that number of intervals is missed.
BACKLOG_SLOTS = 10
# Seconds between maintenance jobs, of which only the newest waits.
MAINTENANCE_INTERVAL = 3600
# Seconds between jobs that send what no other job has sent, and that look for digests that are due.
DELIVERY_INTERVAL = 60
DIGEST_INTERVAL = 3600
# How long RQ keeps jobs: for its dashboard, and to refuse a second job for a slot.
RESULT_SECONDS = 24 * 3600
DELIVERY_RESULT_SECONDS = 600  # of jobs that are many
FAILURE_SECONDS = 7 * 24 * 3600


def longest_seconds(level: Measurement) -> int:
    """Return how long a job may take for the level: to wait for others, to measure and to store it."""
    gathering = LONGEST_GATHER_SECONDS + PREPARE_SECONDS if level.shards > 1 else 0
    return level.longest_s + OVERHEAD_SECONDS + gathering
