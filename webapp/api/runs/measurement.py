"""The details of a measured run."""

from marshmallow import Schema, fields

from llm_measure.records import ERROR_CLASSES
from webapp.api.fields import count, text


def _counts(description: str, example: str) -> fields.Dict:
    return fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": description, "example": {example: 100}},
    )


class SendLagSchema(Schema):
    """How late the client sent requests."""

    p50 = fields.Float(required=True, metadata={"description": "Median, in ms", "example": 0.1})
    p99 = fields.Float(required=True, metadata={"description": "99th percentile, in ms", "example": 0.8})
    max = fields.Float(required=True, metadata={"description": "Largest, in ms", "example": 2.4})


class RetryAfterSchema(Schema):
    """How often and how long the endpoint asked to wait."""

    requests = count("Number of requests that were answered with a Retry-After", 3)
    waited_s = fields.Float(
        required=True, metadata={"description": "How long their streams waited, in seconds", "example": 4.5}
    )


class PromptSchema(Schema):
    """How the endpoint counts the tokens of prompts, as two requests ahead of the level found out."""

    overhead = count("Tokens that its chat template adds", 12)
    tokens_per_word = fields.Float(
        required=True, metadata={"description": "Mean number of tokens of a word", "example": 1.02}
    )
    probed = fields.Boolean(
        required=True,
        metadata={"description": "Whether this is known; if not, each word counts as one", "example": True},
    )
    problem = text("Why it is not known; null if it is, or nobody asked", "reports no usage", nullable=True)
    words = fields.Float(
        required=True,
        allow_none=True,
        metadata={
            "description": "Mean number of words of a prompt; null if it is not generated",
            "example": 113.7,
        },
    )


class PromptTokensSchema(Schema):
    """Prompt tokens of the successful requests."""

    asked = count("As asked for; null if a dataset brings the prompts", 12_800, nullable=True)
    counted = count("As counted by the server; null if it counts only some or none", 13_100, nullable=True)
    cached = count("Those that the server had in a cache; null if it reports none", 0, nullable=True)


class OutputTokensSchema(Schema):
    """Output tokens of the successful requests."""

    asked = count("As asked for, at most; null if a dataset may ask for others", 6_400, nullable=True)
    counted = count("As counted by the server; null if it counts only some or none", 6_400, nullable=True)
    seen = count("Those with text in the streams", 6_300)
    chunks = count("Chunks with text", 6_300)


class ShardSchema(Schema):
    """What one of several workers measured of a level."""

    shard = count("Number of the shard, from 0", 0)
    worker = text("Name of its worker", "5cf1b3e0a9c34e6c9a3f6f1f1e9f2a3b")
    host = text("Name of its machine: WORKER_HOST", "worker-0")
    requests = count("Number of its measured requests", 50)
    offset_uncertainty_ms = fields.Float(
        required=True,
        metadata={"description": "Of its clock's offset to Redis' clock, in ms", "example": 0.1},
    )
    begin_error_ms = fields.Float(
        required=True,
        metadata={
            "description": "By how much at most it began before or after the common moment, in ms",
            "example": 0.1,
        },
    )
    send_lag_ms = fields.Nested(SendLagSchema, required=True)
    client_cpu_s = fields.Float(
        required=True, metadata={"description": "CPU time of its client, in seconds", "example": 0.15}
    )
    client_wait_s = fields.Float(
        required=True,
        metadata={"description": "How long its client waited for a processor, in seconds", "example": 0.05},
    )
    valid = fields.Boolean(
        required=True, metadata={"description": "Whether it was not the limit", "example": True}
    )
    invalid_reason = fields.String(
        allow_none=True, metadata={"description": "Why it is not valid", "example": None}
    )


class TraceSchema(Schema):
    """The trace that was replayed."""

    format = text("Format of the file: mooncake, azure or burstgpt", "mooncake")
    rows = count("Requests in the file", 12_031)
    left_out = count("Requests in the file without prompt or response, which are not sent", 0)


TURN_FIGURES_EXAMPLE = {"unit": "s", "n": 20, "mean": 0.21, "p50": 0.2, "p95": 0.3, "p99": 0.31}


def _figure(description: str, example: float) -> fields.Float:
    return fields.Float(
        required=True, allow_none=True, metadata={"description": description, "example": example}
    )


class TurnFiguresSchema(Schema):
    """Figures of a metric over some turns; null without a value."""

    unit = text("Unit", "s")
    n = count("Number of values", 20)
    mean = _figure("Mean", 0.21)
    p50 = _figure("Median", 0.2)
    p95 = _figure("95th percentile", 0.3)
    p99 = _figure("99th percentile", 0.31)


class MeasurementSchema(Schema):
    """A measured run as a whole."""

    level = text("Load on the endpoint", "concurrency 8")
    started_at = text(
        "Intended send time of the first measured request, in UTC", "2026-11-24T12:00:00.010000+00:00"
    )
    duration_s = fields.Float(
        required=True,
        metadata={
            "description": "Time from started_at to the end of the last request, in seconds",
            "example": 12.5,
        },
    )
    requests = count("Number of measured requests, including failed ones", 100)
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
        metadata={"description": "CPU time of the measuring client, in seconds", "example": 0.3},
    )
    send_lag_ms = fields.Nested(SendLagSchema, required=True)
    span_ns = fields.List(
        fields.Integer(),
        metadata={
            "description": "Over what rates per second are taken, in nanoseconds since the level began",
            "example": [40_000_000, 12_300_000_000],
        },
    )
    client_wait_s = fields.Float(
        metadata={"description": "How long the client waited for a processor, in seconds", "example": 0.1}
    )
    clock = fields.String(
        metadata={
            "description": "Whose clock says when something arrived: kernel, or client, which may read late",
            "example": "kernel",
        }
    )
    http_version = fields.String(
        metadata={"description": "1.1, or 2 where the endpoint offers nothing else", "example": "1.1"}
    )
    chunks_together = fields.Float(
        allow_none=True,
        metadata={"description": "Ratio of chunks that came together with the one before", "example": 0.01},
    )
    chunks_read_late = fields.Float(
        allow_none=True,
        metadata={
            "description": "Ratio of chunks that the client read late, at moments unknown",
            "example": 0.0,
        },
    )
    shards = fields.List(
        fields.Nested(ShardSchema),
        metadata={"description": "The shards of a level that several workers have measured together"},
    )
    transport = fields.Dict(
        keys=fields.String(),
        metadata={
            "description": "Options of the connection, without secrets: ca_file, client_cert, client_key,"
            " insecure (TLS was not verified), proxy",
            "example": {"insecure": True},
        },
    )
    repeated_prompts = fields.Integer(
        metadata={
            "description": "Number of measured requests that repeat a prompt of a dataset with fewer rows",
            "example": 0,
        }
    )
    retry_after = fields.Nested(RetryAfterSchema)
    answered_by = _counts(
        "Number of requests that another model answered than was asked, by its name", "gpt-4o-mini"
    )
    prompt = fields.Nested(PromptSchema)
    prompt_tokens = fields.Nested(PromptTokensSchema)
    cached_share = fields.Float(
        allow_none=True,
        metadata={
            "description": "Ratio of the prompt tokens that the server had in a cache; null if unknown",
            "example": 0.0,
        },
    )
    conversations = fields.Integer(
        metadata={"description": "Number of conversations; only of workloads with turns", "example": 20}
    )
    by_turn = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(keys=fields.String(), values=fields.Nested(TurnFiguresSchema)),
        metadata={
            "description": "Metrics of first turns and of later ones; only of workloads with turns",
            "example": {name: {"ttft": TURN_FIGURES_EXAMPLE} for name in ("first", "later")},
        },
    )
    inputs = fields.Integer(
        metadata={
            "description": "Inputs of each request; only of embeddings and rerank, which have no output",
            "example": 8,
        }
    )
    output_tokens = fields.Nested(OutputTokensSchema)
    token_sources = _counts(
        "Number of successful requests by the source of their token counts: usage (the server's) or chunks",
        "usage",
    )
    finish_reasons = _counts("Number of successful requests by finish reason", "length")
    warnings = fields.List(
        fields.String(),
        metadata={
            "description": "What makes the figures say less than they seem to",
            "example": ["p99 is of only 32 requests; expected at least 100."],
        },
    )
    offered_rate = fields.Float(
        allow_none=True,
        metadata={"description": "Requests per second that were sent, at a rate", "example": 2.0},
    )
    achieved_rate = fields.Float(
        allow_none=True,
        metadata={"description": "Requests per second that were answered, at a rate", "example": 1.9},
    )
    trace = fields.Nested(TraceSchema)
    saturated = fields.Boolean(
        metadata={"description": "Whether the answers fell behind the requests, at a rate", "example": False}
    )
    slo = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        required=True,
        metadata={
            "description": "Service level objectives: bounds by metric, in seconds",
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
