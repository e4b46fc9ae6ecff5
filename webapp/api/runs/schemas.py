"""Requests and responses about runs."""

from marshmallow import Schema, fields, validate

from llm_measure.records import ERROR_CLASSES
from webapp.api.fields import count, flag, region, text, timestamp
from webapp.api.runs.measurement import MEASUREMENT_EXAMPLE, MeasurementSchema
from webapp.on_demand import STATUSES as JOB_STATUSES
from webapp.queries import LONGEST_NAME, whole_filter

MOST_REQUESTS = 1_000
LARGEST_NUMBER = 2**31 - 1


def _numbers(description: str, example: int) -> fields.List:
    return fields.List(
        fields.Integer(), required=True, metadata={"description": description, "example": [example]}
    )


class DeclaredSchema(Schema):
    """A measurement of the benchmark file."""

    llm = fields.String(
        required=True,
        validate=validate.Length(1, LONGEST_NAME),
        metadata={"description": "Name of the LLM", "example": "Llama 3.1 8B on vLLM"},
    )
    scenario = fields.String(
        required=True,
        validate=validate.Length(1, LONGEST_NAME),
        metadata={"description": "Scenario, a workload at a level, with its region", "example": "chat@c8"},
    )


class NewRunSchema(Schema):
    """What to run: the measurement or, by default, a simulation."""

    measure = fields.Nested(DeclaredSchema)


class RunSchema(Schema):
    """One LLM's run."""

    id = count("Id of the run; higher is newer", 1234)
    job_id = text(
        "Id of the job, which is the same for all simulated LLMs of a slot", "simulation-1795521600"
    )
    source = text("Source of the values: simulation or measurement", "simulation")
    scenario = text("Scenario", "default")
    region = region()
    llm_name = text("Name of the LLM", "GPT-4o")
    slot = timestamp("Scheduled time of the run")
    status = text(
        "running, finished, failed, invalid (ended without an error, but not ranked) or missed (never tried)",
        "finished",
    )
    attempts = count("Number of attempts; 0 for a missed run", 1)
    started_at = timestamp("Start of the last attempt; of a missed run, when that was recorded")
    finished_at = timestamp("End of the last attempt; null while it is running", nullable=True)
    duration_s = fields.Float(
        required=True,
        allow_none=True,
        metadata={
            "description": "Duration of the last attempt, in seconds; null while it is running",
            "example": 0.42,
        },
    )
    points = count("Number of stored values; null until the run has finished", 4000, nullable=True)
    error = text(
        "Error of the last attempt, or why the run was missed; null otherwise",
        "OSError: disk full",
        nullable=True,
    )
    generation = count(
        "First generation that shows the run; null until then", 1_795_553_963_018_399, nullable=True
    )
    invalid_reason = text(
        "Why the run is not ranked; null unless it is invalid",
        "the client, not the server, was the limit",
        nullable=True,
    )
    measurement = fields.Nested(
        MeasurementSchema,
        required=True,
        allow_none=True,
        metadata={
            "description": "Details of a measured run that has ended; null otherwise",
            "example": MEASUREMENT_EXAMPLE,
        },
    )


class RunsSchema(Schema):
    """A page of runs, newest first."""

    generation = count("Generation of the data, raised by each refresh", 1_795_553_963_018_399)
    runs = fields.List(fields.Nested(RunSchema), required=True)
    next = count("`cursor` of the next page; null on the last page", 1185, nullable=True)


class JobSchema(Schema):
    """One job: the simulation of all LLMs in a slot, or one measurement."""

    generation = count("Generation of the data, raised by each refresh", 1_795_553_963_018_399)
    job_id = text("Id of the job", "simulation-1795521600")
    status = text(
        f"{', '.join(JOB_STATUSES[:-1])} or {JOB_STATUSES[-1]}; queued also while it waits to be retried,"
        " missed if it waited for too long to be run",
        "finished",
    )
    runs = fields.List(
        fields.Nested(RunSchema),
        required=True,
        metadata={"description": "Runs of the job; none while it is queued"},
    )


class RequestsQuery(Schema):
    """The filters of a run's requests."""

    limit = whole_filter(1, MOST_REQUESTS, 100, "Maximum number of requests in one response", 100)
    cursor = whole_filter(
        0, LARGEST_NUMBER, None, "`next` of the previous page; the first page by default", 99
    )


class RequestSchema(Schema):
    """One request of a measured run; moments are nanoseconds of a monotonic clock since the load began."""

    number = count("Number within the run", 100)
    warmup = flag("Whether it was a warm-up request, which no metric includes", False)
    level = text("Load that the request was part of", "concurrency 8")
    intended_ns = count("Intended send time, in ns", 1_000_000)
    sent_ns = count("Actual send time, in ns", 1_040_000)
    connect_ns = count("Time between the two spent on opening a connection or renewing a token, in ns", 0)
    first_byte_ns = count("First byte of the response, in ns", 201_000_000, nullable=True)
    first_token_ns = count("First chunk with a token, in ns", 201_100_000, nullable=True)
    first_answer_ns = count(
        "First chunk with a token that is no reasoning, in ns", 401_100_000, nullable=True
    )
    last_token_ns = count("Last chunk with a token, in ns", 701_000_000, nullable=True)
    end_ns = count("End of the response, or failure, in ns", 701_200_000)
    chunk_offsets_ns = _numbers(
        "Times of the chunks with tokens, in ns since the request was sent", 200_060_000
    )
    chunk_tokens = _numbers("Number of tokens in each of these chunks", 1)
    prompt_tokens = count("Prompt tokens, as counted by the server", 128, nullable=True)
    cached_tokens = count("Prompt tokens that the server had in a cache", 64, nullable=True)
    output_tokens = count("Output tokens", 64, nullable=True)
    reasoning_tokens = count("Output tokens that were reasoning", 20, nullable=True)
    token_source = text(
        "Source of the token counts: usage (the server's count) or chunks (an estimate)", "usage", True
    )
    finish_reason = text("Finish reason, as reported by the server", "length", nullable=True)
    answered_by = text(
        "Model that answered, if the response names another than was asked", "gpt-4o-mini", nullable=True
    )
    conversation = count("Number of its conversation; null of single prompts", 7, nullable=True)
    turn = count("Turn within the conversation, from 1; null of single prompts", 2, nullable=True)
    answer_valid = flag(
        "Whether the answer is what the workload expects; null if not checked", True, nullable=True
    )
    http_status = count("HTTP status; null without a response", 200, nullable=True)
    error = text(f"Error class: {', '.join(ERROR_CLASSES)}; null for a success", "timeout", True)
    error_detail = text("Details of the error", "no end of the response within 60 s", nullable=True)


class RequestsSchema(Schema):
    """A page of a run's requests, by number."""

    requests = fields.List(fields.Nested(RequestSchema), required=True)
    next = count("`cursor` of the next page; null on the last page", 199, nullable=True)
