"""The functions that a worker runs, and why it must not run a job."""

from rq.exceptions import DeserializationError
from rq.job import Job

from webapp.queue.queues import queue_name
from webapp.scenarios import split

RUN_SIMULATION = "jobs.simulation_run.run_simulation"
RUN_MEASUREMENT = "jobs.measurement_run.run_measurement"
RUN_SELF_CHECK = "jobs.self_check.run_self_check"
RUN_MAINTENANCE = "jobs.maintenance.run_maintenance"
RUN_DELIVERY = "jobs.notify.run_delivery"
RUN_DIGEST = "jobs.notify.run_digest"
RUN_SHARD = "jobs.shard_run.run_shard"
RECORD_MISSED = "jobs.missed.record_missed"
# The only functions that a worker runs, with the types of their arguments.
FUNCTIONS: dict[str, tuple[type, ...]] = {
    RUN_SIMULATION: (int,),
    RUN_MEASUREMENT: (str, str, int),
    RUN_SELF_CHECK: (int,),
    RUN_MAINTENANCE: (int,),
    RUN_DELIVERY: (int,),
    RUN_DIGEST: (int,),
    RECORD_MISSED: (str, str, int, int, int),
    RUN_SHARD: (str, str, int, str, int),
}
# Where the slot is among the arguments, unless it is the first one.
SLOT_AT = {RUN_MEASUREMENT: 2, RUN_SHARD: 2, RECORD_MISSED: 3}
# Those of a measurement, whose second argument names what is measured, with its region; the workers of a
# region run no others.
REGIONAL = (RUN_MEASUREMENT, RUN_SHARD)
LONGEST_ARGUMENT = 500
LARGEST_ARGUMENT = 250_000_000_000  # a moment in the year 9892


def refusal(job: Job, region: str | None = None) -> str | None:
    """Return why a worker of the region must not run the job.

    None if it calls one of FUNCTIONS with fitting arguments, and belongs to the region's queue.
    """
    try:
        name, instance, arguments, keywords = job.func_name, job.instance, job.args, job.kwargs
    except DeserializationError:
        return "data: not a call in JSON"
    if not isinstance(name, str) or name not in FUNCTIONS:
        return f"function={str(name)[:LONGEST_ARGUMENT]!r}: unknown; expected one of {', '.join(FUNCTIONS)}"
    types = FUNCTIONS[name]
    fits = isinstance(arguments, list) and list(map(type, arguments)) == list(types)
    if instance is not None or keywords or not fits or not all(map(_is_bounded, arguments)):
        return f"function={name!r}: arguments do not fit; expected {', '.join(t.__name__ for t in types)}"
    own = split(arguments[1]).region if name in REGIONAL else None
    if own != region:
        return f"queue={queue_name(own)!r}: not this worker's; expected {queue_name(region)!r}"
    return None


def slot_of(job: Job) -> int:
    """Return the slot (Unix seconds) of a job that is not refused, or the first one of several."""
    return job.args[SLOT_AT.get(job.func_name or "", 0)]


def _is_bounded(argument: str | int) -> bool:
    if isinstance(argument, str):
        return len(argument) <= LONGEST_ARGUMENT
    return 0 <= argument <= LARGEST_ARGUMENT
