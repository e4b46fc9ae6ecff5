"""Small traces in the formats of published ones, with their quirks, drawn from a seed.

python -m bench.traces writes those in tests/data/traces.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "tests" / "data" / "traces"
BLOCK_TOKENS = 512
STARTED = datetime(2023, 11, 16, 18, 15, 46)
ROWS, SEED = 50, 16


def arrivals_s(rows: int, random: np.random.Generator, rate: float) -> np.ndarray:
    """Return the moments of a bursty load in s: gamma gaps, whose standard deviation is twice their mean."""
    gaps = random.gamma(0.25, 4 / rate, rows)
    return np.cumsum(gaps) - gaps[0]


def lengths(rows: int, random: np.random.Generator, median: float, most: int) -> list[int]:
    """Return lengths in tokens, lognormal around the median."""
    return np.clip(np.rint(random.lognormal(np.log(median), 0.8, rows)), 1, most).astype(int).tolist()


def mooncake(rows: int, seed: int, rate: float = 5.0) -> str:
    """Return conversations as Mooncake has them.

    A prompt is a former one with more text; its hash_ids are those of the former one's full blocks, then new.
    """
    random = np.random.default_rng(seed)
    moments = arrivals_s(rows, random, rate)
    fresh, answers = lengths(rows, random, 700, 4000), lengths(rows, random, 60, 400)
    unused = iter(range(10**9))
    # Of each conversation: its length and blocks.
    known: list[tuple[int, list[int]]] = [(BLOCK_TOKENS, [next(unused)])]
    lines = []
    for moment, new, answer in zip(moments, fresh, answers, strict=True):
        number = int(random.integers(len(known)))
        former, blocks = known[number]
        length = former + new
        # The last block of the former prompt was not full, so it has another hash now.
        kept = blocks[: former // BLOCK_TOKENS]
        blocks = kept + [next(unused) for _ in range(-(-length // BLOCK_TOKENS) - len(kept))]
        row = {"timestamp": round(moment * 1000), "input_length": length, "output_length": answer,
               "hash_ids": blocks}  # fmt: skip
        lines.append(json.dumps(row))
        if len(known) < 1 + rows // 10:
            known.append((length, blocks))
        elif number:
            known[number] = (length, blocks) if length < 20_000 else known[0]
    return "\n".join(lines) + "\n"


def azure(rows: int, seed: int, rate: float = 5.0) -> str:
    """Return rows as Azure has them: dates with seven decimals, CRLF, and none after the last row."""
    random = np.random.default_rng(seed)
    moments = arrivals_s(rows, random, rate)
    prompts, answers = lengths(rows, random, 900, 8000), lengths(rows, random, 120, 1000)
    return "\r\n".join(_azure(moments, prompts, answers))


def _azure(moments: np.ndarray, prompts: list[int], answers: list[int]) -> Iterator[str]:
    yield "TIMESTAMP,ContextTokens,GeneratedTokens"
    for moment, prompt, answer in zip(moments, prompts, answers, strict=True):
        date = STARTED + timedelta(microseconds=round(moment * 1e6))
        yield f"{date.isoformat(sep=' ', timespec='microseconds')}0,{prompt},{answer}"


def burstgpt(rows: int, seed: int, rate: float = 5.0, sessions: bool = False) -> str:
    """Return rows as BurstGPT has them: one in ten has failed, so has no response; two are not in order."""
    random = np.random.default_rng(seed)
    moments = np.round(5 + arrivals_s(rows, random, rate), 0 if sessions else 3)
    prompts, answers = lengths(rows, random, 400, 4000), lengths(rows, random, 100, 1000)
    failed = random.random(rows) < 0.1
    columns = ["Timestamp", *(["Session ID", "Elapsed time"] if sessions else ()), "Model", "Request tokens",
               "Response tokens", "Total tokens", "Log Type"]  # fmt: skip
    lines = []
    for i, (moment, prompt, answer) in enumerate(zip(moments, prompts, answers, strict=True)):
        response = 0 if failed[i] else answer
        session = [f"session-{i // 3}" if i % 3 else "", str(i % 40)] if sessions else []
        time = f"{moment:.1f}" if sessions else f"{moment:.3f}".rstrip("0").rstrip(".")
        cells = [time, *session, ("ChatGPT", "GPT-4")[i % 2], str(prompt),
                 str(response), str(prompt + response), ("Conversation log", "API log")[i % 2]]  # fmt: skip
        lines.append(",".join(cells))
    lines[1], lines[2] = lines[2], lines[1]
    return "\n".join((",".join(columns), *lines)) + "\n"


def burstgpt_sessions(rows: int, seed: int, rate: float = 5.0) -> str:
    """Return rows as in BurstGPT's later files, which have more columns and whole seconds."""
    return burstgpt(rows, seed, rate, sessions=True)


FORMATS: dict[str, Callable[..., str]] = {
    "mooncake.jsonl": mooncake,
    "azure.csv": azure,
    "burstgpt.csv": burstgpt,
    "burstgpt_sessions.csv": burstgpt_sessions,
}


def write(folder: Path, name: str, rows: int, seed: int = SEED, rate: float = 5.0) -> Path:
    """Write a trace of one of the FORMATS into the folder, and return its path."""
    path = folder / name
    path.write_bytes(FORMATS[name](rows, seed, rate).encode())
    return path


if __name__ == "__main__":
    for file in FORMATS:
        write(FOLDER, file, ROWS)
