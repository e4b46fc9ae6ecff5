"""What is asked of the runs and what they answer."""

from marshmallow import Schema, fields, validate

from llm_measure.records import ERROR_CLASSES
from webapp.api.fields import count, flag, text, timestamp
from webapp.on_demand import STATUSES as JOB_STATUSES
from webapp.queries import LONGEST_NAME, whole_filter

MOST_REQUESTS = 1_000
LARGEST_NUMBER = 2**31 - 1


def _numbers(description: str, example: int) -> fields.List:
    return fields.List(
        fields.Integer(), required=True, metadata={"description": description, "example": [example]}
    )


class DeclaredSchema(Schema):
    """A measurement that the benchmark file declares."""

    llm = fields.String(
        required=True,
        validate=validate.Length(1, LONGEST_NAME),
        metadata={"description": "The LLM's name", "example": "Llama 3.1 8B on vLLM"},
    )
    scenario = fields.String(
        required=True,
        validate=validate.Length(1, LONGEST_NAME),
        metadata={"description": "The scenario, a workload at a level", "example": "chat@c8"},
    )


class NewRunSchema(Schema):
    """What to run: a measurement or, if nothing is said, a simulation."""

    measure = fields.Nested(DeclaredSchema)


class SendLagSchema(Schema):
    """How late requests were sent, the client's own doing."""

    p50 = fields.Float(required=True, metadata={"description": "Median, in ms", "example": 0.1})
    p99 = fields.Float(required=True, metadata={"description": "99th percentile, in ms", "example": 0.8})
    max = fields.Float(required=True, metadata={"description": "Largest, in ms", "example": 2.4})


class MeasurementSchema(Schema):
    """What is known of a measured run as a whole."""

    level = text("The load that was put on the endpoint", "concurrency 8")
    started_at = text(
        "When the first measured request was meant to be sent, in UTC", "2026-11-24T12:00:00.010000+00:00"
    )
    duration_s = fields.Float(
        required=True,
        metadata={"description": "From then to the end of the last, in seconds", "example": 12.5},
    )
    requests = count("Number of measured requests, failed ones included", 100)
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={
            "description": f"Number of failed requests by class: {', '.join(ERROR_CLASSES)}",
            "example": {"timeout": 2},
        },
    )
    client_cpu_s = fields.Float(
        required=True,
        metadata={"description": "Processor time of the measuring client, in seconds", "example": 0.3},
    )
    send_lag_ms = fields.Nested(SendLagSchema, required=True)
    slo = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        required=True,
        metadata={
            "description": "The objectives behind goodput: bounds by metric, in seconds",
            "example": {"ttft": 0.5},
        },
    )


MEASUREMENT_EXAMPLE = {
    "level": "concurrency 8",
    "started_at": "2026-11-24T12:00:00.010000+00:00",
    "duration_s": 12.5,
    "requests": 100,
    "errors": {"timeout": 2},
    "client_cpu_s": 0.3,
    "send_lag_ms": {"p50": 0.1, "p99": 0.8, "max": 2.4},
    "slo": {"ttft": 0.5},
}


class RunSchema(Schema):
    """One LLM's run."""

    id = count("The run's number; higher is newer", 1234)
    job_id = text("The job that made it, one for all LLMs of a slot", "simulation-1795521600")
    source = text("Where its values come from: simulation or measurement", "simulation")
    scenario = text("What was asked of the LLM", "default")
    llm_name = text("The LLM's name", "GPT-4o")
    slot = timestamp("The instant that it stands for")
    status = text("running, finished, failed or, ended well but not to be ranked, invalid", "finished")
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
    invalid_reason = text(
        "Why an invalid run says nothing of the LLM; null of any other",
        "the client, not the server, was the limit",
        nullable=True,
    )
    measurement = fields.Nested(
        MeasurementSchema,
        required=True,
        allow_none=True,
        metadata={
            "description": "Of a measured run, once it has ended; null of any other",
            "example": MEASUREMENT_EXAMPLE,
        },
    )


class RunsSchema(Schema):
    """A page of runs, newest first."""

    generation = count("The generation of the data; raised by each refresh", 1_795_553_963_018_399)
    runs = fields.List(fields.Nested(RunSchema), required=True)
    next = count("`cursor` of the next page; null on the last", 1185, nullable=True)


class JobSchema(Schema):
    """One job: a slot's turn of all simulated LLMs, or of one measurement."""

    generation = count("The generation of the data; raised by each refresh", 1_795_553_963_018_399)
    job_id = text("The job's id", "simulation-1795521600")
    status = text(
        f"{', '.join(JOB_STATUSES[:-1])} or {JOB_STATUSES[-1]}; queued also while it waits to be tried again",
        "finished",
    )
    runs = fields.List(
        fields.Nested(RunSchema), required=True, metadata={"description": "Its runs; none while it waits"}
    )


class RequestsQuery(Schema):
    """The query string."""

    limit = whole_filter(1, MOST_REQUESTS, 100, "The most requests in one answer", 100)
    cursor = whole_filter(0, LARGEST_NUMBER, None, "`next` of the page before; the first if left out", 99)


class RequestSchema(Schema):
    """One request of a measured run; moments are nanoseconds of a monotonic clock since the load began."""

    number = count("Its number within the run", 100)
    warmup = flag("Whether it only warmed up and is in no metric", False)
    level = text("The load that it was part of", "concurrency 8")
    intended_ns = count("When it was meant to be sent, in ns", 1_000_000)
    sent_ns = count("When it was sent, in ns", 1_040_000)
    connect_ns = count("What opening a connection took of the time between the two, in ns", 0)
    first_byte_ns = count("First byte of the answer, in ns", 201_000_000, nullable=True)
    first_token_ns = count("First chunk with a token, in ns", 201_100_000, nullable=True)
    last_token_ns = count("Last chunk with a token, in ns", 701_000_000, nullable=True)
    end_ns = count("End of the answer, or the failure, in ns", 701_200_000)
    chunk_offsets_ns = _numbers("Each chunk with tokens, in ns since the request was sent", 200_060_000)
    chunk_tokens = _numbers("How many tokens each of them held", 1)
    prompt_tokens = count("Tokens of the prompt, as the server counted", 128, nullable=True)
    output_tokens = count("Tokens of the answer", 64, nullable=True)
    token_source = text(
        "Where their number comes from: usage, the server's count, or chunks, an estimate", "usage", True
    )
    finish_reason = text("Why the answer ended, as the server said", "length", nullable=True)
    http_status = count("HTTP's status; null without an answer", 200, nullable=True)
    error = text(f"The class of its failure: {', '.join(ERROR_CLASSES)}; null of a success", "timeout", True)
    error_detail = text("What went wrong", "no end of the answer within 60 s", nullable=True)


class RequestsSchema(Schema):
    """A page of a run's requests, by number."""

    requests = fields.List(fields.Nested(RequestSchema), required=True)
    next = count("`cursor` of the next page; null on the last", 199, nullable=True)
