import csv
import gzip
import json
import tracemalloc

import numpy as np
import pytest

from bench.traces import FOLDER, FORMATS, ROWS, SEED, write
from llm_measure.load.traces import Trace, TraceError, TraceFacts, replayed, seconds_of, trace_of
from llm_measure.workloads import Load, Workload

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
BURSTGPT = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"


def rows_of(trace: Trace) -> list[tuple]:
    return list(
        zip(trace.moments_ns.tolist(), trace.input_tokens.tolist(), trace.output_tokens.tolist(), strict=True)
    )


@pytest.fixture
def read(tmp_path):
    """Returns the trace that a text holds."""

    def read(text: str | bytes, window: tuple[float, float] | None = None) -> Trace:
        path = tmp_path / "trace"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return trace_of(Workload(trace=str(path), trace_window=window))

    return read


def sample(name: str, window: tuple[float, float] | None = None) -> Trace:
    return trace_of(Workload(trace=str(FOLDER / name), trace_window=window))


@pytest.mark.parametrize("name", FORMATS)
def test_the_samples_are_those_of_the_seed(name):
    assert (FOLDER / name).read_bytes() == FORMATS[name](ROWS, SEED).encode()


def test_a_sample_of_mooncake_has_its_moments_lengths_and_blocks():
    trace = sample("mooncake.jsonl")
    lines = [json.loads(line) for line in (FOLDER / "mooncake.jsonl").read_text().splitlines()]

    assert trace.facts == TraceFacts("mooncake", ROWS, 0)
    assert rows_of(trace) == [
        (line["timestamp"] * 1_000_000, line["input_length"], line["output_length"]) for line in lines
    ]
    assert [trace.blocks_of(row) for row in range(ROWS)] == [line["hash_ids"] for line in lines]


@pytest.mark.parametrize("name", ["burstgpt.csv", "burstgpt_sessions.csv"])
def test_a_sample_of_burstgpt_is_in_order_and_without_failed_requests(name):
    trace = sample(name)
    with (FOLDER / name).open() as file:
        rows = list(csv.DictReader(file))
    answered = [row for row in rows if row["Response tokens"] != "0"]
    ordered = sorted(answered, key=lambda row: float(row["Timestamp"]))

    assert trace.facts == TraceFacts("burstgpt", ROWS, ROWS - len(answered))
    assert ordered != answered
    assert rows_of(trace) == [
        (
            round((float(row["Timestamp"]) - 5) * 1e9),
            int(row["Request tokens"]),
            int(row["Response tokens"]),
        )
        for row in ordered
    ]
    assert trace.blocks_of(7) == []


def test_a_sample_of_azure_has_its_dates_to_the_microsecond():
    trace = sample("azure.csv")

    assert trace.facts == TraceFacts("azure", ROWS, 0)
    assert rows_of(trace)[:3] == [(0, 390, 136), (63_000, 1161, 311), (579_564_000, 1097, 20)]


def test_dates_may_have_an_offset_and_no_fraction(read):
    trace = read(
        "\ufeff" + AZURE + "2024-05-12 00:00:00.001163+00:00,10,1\n2024-05-12 02:00:01+02:00,20,2\n\n"
        '"2024-05-12 00:00:03.5000000",30,3'
    )

    assert rows_of(trace) == [(0, 10, 1), (998_837_000, 20, 2), (3_498_837_000, 30, 3)]


def test_columns_are_found_by_name_in_any_case_and_lines_may_end_with_crlf(read):
    trace = read(b"Model, response tokens,TIMESTAMP,Request Tokens\r\n\r\nGPT-4,2,1.5,10\r\n,4,1e1,30\r\n")

    assert rows_of(trace) == [(0, 10, 2), (8_500_000_000, 30, 4)]


def test_blank_rows_of_spreadsheets_and_text_in_other_encodings_do_no_harm(read):
    trace = read(BURSTGPT.encode() + b"1,caf\xe9,10,2,12,API log\r\n,,,,,\r\n2,b,30,4,34,API log\r\n  \r\n")

    assert rows_of(trace) == [(0, 10, 2), (1_000_000_000, 30, 4)]


def test_requests_of_one_moment_stay_in_the_files_order(read):
    trace = read(AZURE + "2023-11-16T18:15:47Z,10,1\n2023-11-16T18:15:46Z,20,2\n2023-11-16T18:15:46Z,30,3\n")

    assert rows_of(trace) == [(0, 20, 2), (0, 30, 3), (1_000_000_000, 10, 1)]


def test_blocks_follow_their_rows_when_these_are_not_in_order(read):
    lines = [
        {"timestamp": 20, "input_length": 600, "output_length": 1, "hash_ids": [1, 2]},
        {"timestamp": 10.5, "input_length": 1, "output_length": 1},
        {"timestamp": 30, "input_length": 512, "output_length": 1, "hash_ids": [1], "more": {}},
        {"timestamp": 0, "input_length": 5, "output_length": 1, "hash_ids": [-7]},
        {"timestamp": 5, "input_length": 5, "output_length": 0, "hash_ids": [8]},
    ]
    text = "\r\n".join(map(json.dumps, lines))

    trace = read(text)
    assert (trace.moments_ns // 1000).tolist() == [0, 10_500, 20_000, 30_000]
    assert [trace.blocks_of(row) for row in range(4)] == [[-7], [], [1, 2], [1]]
    assert trace.facts == TraceFacts("mooncake", 5, 1)

    window = read(text, (0.01, 0.03))
    assert (window.moments_ns // 1000).tolist() == [0, 9_500]
    assert [window.blocks_of(row) for row in range(2)] == [[], [1, 2]]


def test_a_window_begins_with_its_first_request_and_leaves_its_end_out():
    whole, part = sample("azure.csv"), sample("azure.csv", (2, 5.5))
    seconds = whole.moments_ns / 1e9
    inside = (seconds >= 2) & (seconds < 5.5)

    assert 5 < inside.sum() < ROWS
    assert part.input_tokens.tolist() == whole.input_tokens[inside].tolist()
    np.testing.assert_array_equal(part.moments_ns, whole.moments_ns[inside] - whole.moments_ns[inside][0])
    assert part.facts == whole.facts


def test_how_long_it_lasts_depends_on_the_speed_and_the_number_of_requests():
    trace, workload = sample("mooncake.jsonl"), Workload(trace=str(FOLDER / "mooncake.jsonl"))

    assert seconds_of(workload, Load(speed=2)) == pytest.approx(trace.moments_ns[-1] / 2e9)
    assert seconds_of(workload, Load(speed=1, requests=10)) == pytest.approx(trace.moments_ns[9] / 1e9)
    assert seconds_of(workload, Load(speed=1, requests=1000)) == pytest.approx(trace.moments_ns[-1] / 1e9)


LINE = '{"timestamp": 0, "input_length": 1, "output_length": 1}\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ":1: empty; expected Mooncake's JSONL, or the header of Azure's or BurstGPT's CSV"),
        (gzip.compress(AZURE.encode(), mtime=0), ":1: compressed with gzip; expected Mooncake's JSONL"),
        (b"PK\x03\x04\x14\x00", ":1: a ZIP archive; expected"),
        ("version https://git-lfs.github.com/spec/v1\n", ":1: a Git LFS pointer, not the file; expected"),
        (AZURE.encode("utf-16"), ":1: not in UTF-8; expected"),
        ("x" * 200_000, ":1: unknown format"),
        ("\n\nTimestamp,Model\n", ":3: unknown format"),
        ('"unclosed', ":1: unknown format"),
        (AZURE, ": no requests; expected at least one with prompt and response tokens"),
        (AZURE + "2023-11-16 18:15:46.6,0,1\n2023-11-16 18:15:46.6,1,0\n", ": no requests"),
        (AZURE + "2023-11-16 18:15:46.6,1,1\n\n16/11/2023,1,1\n",
         ":4: TIMESTAMP='16/11/2023': must be a date and time, such as 2023-11-16 18:17:03.9799600"),
        (AZURE + "2023-11-16,1.5,1\n", ":2: ContextTokens='1.5': must be a whole number from 0 to 10000000"),
        (AZURE + "2023-11-16,-1,1\n", ":2: ContextTokens='-1': must be a whole number"),
        (AZURE + "2023-11-16,10000001,1\n", ":2: ContextTokens='10000001': must be a whole number"),
        (AZURE + "2023-11-16,1\n", ":2: GeneratedTokens: missing"),
        (AZURE + "0001-01-01 00:00:00,1,1\n",
         ":2: TIMESTAMP='0001-01-01 00:00:00': must be a date from 1900 to 2099"),
        (AZURE + f"{'x' * 1000},1,1\n", f":2: TIMESTAMP='{'x' * 60}': must be"),
        ("\r\n" + BURSTGPT + "5,GPT-4,1,1\n6.x,GPT-4,1,1\n",
         ":4: Timestamp='6.x': must be a number of seconds"),
        (BURSTGPT + "nan,GPT-4,1,1\n", ":2: Timestamp='nan': must be a number of seconds"),
        (BURSTGPT + "-9e9,GPT-4,1,1\n",
         ":2: Timestamp='-9e9': must be a number of seconds from -4600000000 to 4600000000"),
        (BURSTGPT + "5,GPT-4,many,1\n", ":2: Request tokens='many': must be a whole number"),
        (BURSTGPT + f"5,{'x' * 200_000},1,1\n", ":2: field larger than field limit"),
        (LINE + "nonsense\n", ":2: not JSON; expected an object on each line"),
        (LINE + '{"more": ' + "[" * 100_000, ":2: nested too deeply"),
        (LINE + '\n{"timestamp": 0, "input_length": 1}\n',
         ":3: output_length: missing; expected a whole number from 0 to 10000000"),
        (LINE + '{"timestamp": "0", "input_length": 1, "output_length": 1}',
         ":2: timestamp='0': must be a number of milliseconds"),
        (LINE + "[1]", ":2: must be an object with timestamp, input_length, output_length, hash_ids"),
        ('{"timestamp": 0, "input_length": -1, "output_length": 1}',
         ":1: input_length=-1: must be a whole number from 0 to"),
        ('{"timestamp": 1e300, "input_length": 1, "output_length": 1}',
         ":1: timestamp=1e+300: must be a number of milliseconds from -4600000000000 to"),
        ('{"timestamp": 0, "input_length": 9, "output_length": 1, "hash_ids": [18446744073709551615]}',
         ":1: hash_ids=[18446744073709551615]: must be a list of whole numbers"),
        ('{"timestamp": 0, "input_length": 512, "output_length": 1, "hash_ids": [1, 2]}',
         ":1: hash_ids: 2 blocks for 512 tokens; expected at most 1 of 512 tokens"),
        (AZURE.encode() + b"\xff,1,1\n", ":2: TIMESTAMP='\ufffd': must be a date and time"),
    ],
)  # fmt: skip
def test_an_unusable_trace_is_refused_with_file_line_and_what_is_expected(read, tmp_path, text, problem):
    with pytest.raises(TraceError) as caught:
        read(text)

    assert str(caught.value).startswith(f"{tmp_path / 'trace'}{problem}")


def test_a_window_without_requests_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(
        TraceError, match=r"azure\.csv: no requests from 60 s to 90 s; the last one is at \d+"
    ):
        sample("azure.csv", (60, 90))
    with pytest.raises(TraceError, match=r"nowhere: cannot be read: No such file"):
        trace_of(Workload(trace=str(tmp_path / "nowhere")))


def test_a_changed_file_is_read_again(read):
    assert len(read(LINE)) == 1
    assert len(read(2 * LINE)) == 2


def test_a_trace_and_a_speed_need_each_other():
    trace = Workload(trace=str(FOLDER / "azure.csv"))

    assert replayed(Workload(), Load(rate=1, requests=1)) is None
    with pytest.raises(ValueError, match="trace: missing; expected both a trace and its speed"):
        replayed(Workload(), Load(speed=1))
    with pytest.raises(ValueError, match="speed: missing; expected both"):
        replayed(trace, Load(rate=1, requests=1))
    with pytest.raises(ValueError, match="warmup=1: does not apply to a trace"):
        Load(speed=1, warmup=1)


@pytest.mark.parametrize("name", FORMATS)
def test_10_000_requests_take_16_bytes_each_and_8_for_each_block(tmp_path, name):
    path = write(tmp_path, name, 10_000)
    workload = Workload(trace=str(path))
    trace_of(Workload(trace=str(FOLDER / "azure.csv")))  # so that nothing is read for the first time

    tracemalloc.start()
    try:
        trace = trace_of(workload)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    blocks = len(trace.blocks) and 8 * (len(trace.blocks) + len(trace))
    assert len(trace) > 8_000
    assert kept < 16 * len(trace) + blocks + 20_000
    # Arrays grow ahead, and are copied at the end; the file is read line by line.
    assert peak < 3.5 * (16 * len(trace) + blocks) + 100_000
