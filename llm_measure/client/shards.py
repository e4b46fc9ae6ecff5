"""Shards of a level: each is measured by one machine, on its clock, and all become one level."""

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

from llm_measure import validity
from llm_measure.client.level import merge
from llm_measure.client.share import ClientResult
from llm_measure.endpoints import Endpoint
from llm_measure.load.prompts import Counting
from llm_measure.load.sources import Sources
from llm_measure.results import LevelResult, SendLag
from llm_measure.soundness import sound
from llm_measure.workloads import Load, Workload

FASTEST = 1  # of zlib's levels; names of fields and zeros are most of what it saves


@dataclass(frozen=True)
class Beginning:
    """How well a shard's machine knew the moment at which all shards began, and kept to it."""

    offset_uncertainty_ms: float  # of its clock's offset to the common one
    late_ms: float  # by which the moment had passed when the machine learned of it

    @property
    def error_ms(self) -> float:
        """By how much at most the shard began before or after that moment."""
        return self.offset_uncertainty_ms + self.late_ms


@dataclass(frozen=True)
class Shard:
    """What one machine measured of a level; its moments are counted from the level's begin."""

    number: int  # from 0
    worker: str
    host: str
    beginning: Beginning
    result: ClientResult
    invalid_reason: str | None  # None if valid

    def facts(self) -> dict[str, Any]:
        """Return what describes the shard, as JSON has it."""
        measured = [record for record in self.result.records if not record.warmup]
        return {
            "shard": self.number,
            "worker": self.worker,
            "host": self.host,
            "requests": len(measured),
            "offset_uncertainty_ms": self.beginning.offset_uncertainty_ms,
            "begin_error_ms": self.beginning.error_ms,
            "send_lag_ms": asdict(SendLag.of(self.result.records)),
            "client_cpu_s": self.result.time.busy_s,
            "client_wait_s": self.result.time.waited_s,
            "valid": self.invalid_reason is None,
            "invalid_reason": self.invalid_reason,
        }


def shard(  # noqa: PLR0913  (each is a part of what is kept)
    number: int,
    result: ClientResult,
    *,
    worker: str,
    host: str,
    beginning: Beginning,
    invalid_reason: str | None = None,
) -> Shard:
    """Return the shard with that result, whose moments are of its machine's clock.

    It is not valid for the given reason or, without one, if its machine was the limit.
    """
    records = [sound(record.since(result.begin_ns)) for record in result.records]
    relative = replace(result, records=records, begin_ns=0)
    return Shard(
        number, worker, host, beginning, relative, invalid_reason or _why_invalid(beginning, relative)
    )


def _why_invalid(beginning: Beginning, result: ClientResult) -> str | None:
    if beginning.error_ms > validity.MAX_LAG_MS:
        return f"it may have begun {beginning.error_ms:.0f} ms before or after the others"
    limit = validity.client_limit(result.records, [result.time])
    return f"the client was the limit: {limit}" if limit else None


def merge_shards(
    endpoint: Endpoint, workload: Workload, load: Load, shards: Sequence[Shard], counting: Counting
) -> LevelResult:
    """Return the level that all its shards are together.

    It is not valid if one of them is not, or if together they did not hold the load.
    """
    sources = Sources.of(workload, load, workload.seeded().seed or 0)
    level = merge(endpoint, sources, load, [each.result for each in shards], counting)
    for each in shards:
        if each.invalid_reason:
            reason = f"{name(each.number, len(shards))}: {each.invalid_reason}"
            return replace(level, valid=False, invalid_reason=reason)
    return level


def name(number: int, shards: int) -> str:
    """Return the shard's name for people, who count from 1."""
    return f"shard {number + 1} of {shards}"


def encode(shard: Shard) -> bytes:
    """Return the shard as compressed MessagePack."""
    return zlib.compress(msgspec.msgpack.encode(shard), FASTEST)


def decode(content: bytes) -> Shard:
    """Return an encoded shard; raises msgspec.DecodeError or zlib.error for anything else."""
    return msgspec.msgpack.decode(zlib.decompress(content), type=Shard)
