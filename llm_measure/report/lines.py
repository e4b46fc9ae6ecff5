"""The requests of a level as JSON lines."""

from collections.abc import Iterator

import msgspec

from llm_measure.results import LevelResult


def record_lines(result: LevelResult) -> Iterator[bytes]:
    """Yield a line per request, warm-up included, with its level; moments count from the level's start."""
    level = {"level": result.load.name}
    for record in result.records:
        values = msgspec.to_builtins(record.since(result.start_ns))
        yield msgspec.json.encode(level | values) + b"\n"
