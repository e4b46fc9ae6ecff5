"""What is asked of the runs and what they answer."""

from marshmallow import Schema, fields, validate

from jobs.by_hand import STATUSES as JOB_STATUSES
from webapp.api.fields import count, text, timestamp
from webapp.api.filters import SOURCES, name_filter, one_of
from webapp.store.run_records import STATUSES

MOST_RUNS = 200
LARGEST_ID = 2**63 - 1


def whole_filter(low: int, high: int, default: int | None, description: str, example: int) -> fields.Integer:
    """A filter that takes a whole number."""
    return fields.Integer(
        load_default=default,
        validate=validate.Range(low, high),
        metadata={"description": description, "example": example},
    )


class RunsQuery(Schema):
    """The query string."""

    status = one_of(STATUSES, None, "How they stand; any if left out")
    source = one_of(SOURCES, None, "Where their values come from; either if left out")
    workload = name_filter("What was asked of the LLMs; anything if left out", "default")
    llm = name_filter("One LLM, archived or not; all if left out", "GPT-4o")
    job_id = name_filter("The job that made them", "simulation-1795521600")
    limit = whole_filter(1, MOST_RUNS, 50, "The most runs in one answer", 50)
    cursor = whole_filter(1, LARGEST_ID, None, "`next` of the page before; the newest if left out", 1234)


class RunSchema(Schema):
    """One LLM's run."""

    id = count("The run's number; higher is newer", 1234)
    job_id = text("The job that made it, one for all LLMs of a slot", "simulation-1795521600")
    source = text("Where its values come from: simulation or measurement", "simulation")
    workload = text("What was asked of the LLM", "default")
    llm_name = text("The LLM's name", "GPT-4o")
    slot = timestamp("The instant that it stands for")
    status = text("running, finished or failed", "finished")
    attempts = count("How often it was begun", 1)
    started_at = timestamp("When the last attempt began")
    finished_at = timestamp("When the last attempt ended, well or not; null while it goes on", nullable=True)
    duration_s = fields.Float(
        required=True,
        allow_none=True,
        metadata={
            "description": "How long the last attempt took, in seconds; null while it goes on",
            "example": 0.42,
        },
    )
    points = count("Number of values that it stored; null until it has finished", 4000, nullable=True)
    error = text("Why the last attempt failed; null if it did not", "OSError: disk full", nullable=True)
    generation = count(
        "The first generation that shows it; null until then", 1_795_553_963_018_399, nullable=True
    )


class RunsSchema(Schema):
    """A page of runs, newest first."""

    generation = count("The generation of the data; raised by each refresh", 1_795_553_963_018_399)
    runs = fields.List(fields.Nested(RunSchema), required=True)
    next = count("`cursor` of the next page; null on the last", 1185, nullable=True)


class JobSchema(Schema):
    """One job: a slot's turn of all LLMs."""

    generation = count("The generation of the data; raised by each refresh", 1_795_553_963_018_399)
    job_id = text("The job's id", "simulation-1795521600")
    status = text(
        f"{', '.join(JOB_STATUSES[:-1])} or {JOB_STATUSES[-1]}; queued also while it waits to be tried again",
        "finished",
    )
    runs = fields.List(
        fields.Nested(RunSchema), required=True, metadata={"description": "Its runs; none while it waits"}
    )
