import json
from dataclasses import replace

import pytest

from llm_measure.endpoints import Endpoint
from llm_measure.load.lengths import Lengths
from llm_measure.load.prompts import Counting
from llm_measure.load.traces import TraceFacts
from llm_measure.report.document import as_json, document
from llm_measure.report.reading import UnreadableDocumentError, read_document
from llm_measure.workloads import Load, Workload
from tests.measured import answered, failed, level

ENDPOINT = Endpoint("http://x:8000/v1", "m", "completions", api_key="sesame")
WORKLOAD = Workload(dataset="rows.jsonl", slo={"ttft": 0.5}, seed=7, extra_body={"temperature": 0})
LEVELS = [
    level([answered(0, warmup=True), answered(1), failed(2)]),
    replace(level([answered(3)], "the rate was not held"), load=Load(rate=2.5, duration_s=60.0)),
]


def text(records: bool = True) -> str:
    return as_json(document(ENDPOINT, WORKLOAD, LEVELS, records, digests={}))


def test_what_was_written_is_read_with_moments_from_the_start_of_each_level():
    found = read_document(text())

    assert found.endpoint == replace(ENDPOINT, api_key=None)
    assert (found.workload, found.file_sha256) == (WORKLOAD, {})
    assert found.levels == [
        replace(
            made,
            start_ns=0,
            records=[record.since(made.start_ns) for record in made.records],
            lengths=Lengths.of(WORKLOAD, WORKLOAD.seed),
        )
        for made in LEVELS
    ]


def test_a_level_of_a_trace_is_read_with_what_is_known_of_the_trace():
    made = replace(
        level([answered(0)]), load=Load(speed=2, requests=1), trace=TraceFacts("burstgpt", 1000, 30)
    )
    workload = Workload(trace="trace.csv", trace_window=(60, 90.5), seed=7)

    found = read_document(as_json(document(ENDPOINT, workload, [made], True, {"trace": "12ab"})))

    assert (found.workload, found.file_sha256) == (workload, {"trace": "12ab"})
    (read,) = found.levels
    assert (read.load, read.trace) == (made.load, made.trace)


def test_what_was_read_is_written_as_it_was():
    found = read_document(text())

    again = document(found.endpoint, found.workload, found.levels, True, found.file_sha256)
    assert as_json(again) == text()


def test_without_records_it_is_refused_with_advice():
    with pytest.raises(UnreadableDocumentError, match=r"`records` .*; write it with --with-records"):
        read_document(text(records=False))


@pytest.mark.parametrize("records", [True, False])
def test_a_search_is_refused_with_records_and_without(records):
    found = {**json.loads(text(records=records)), "find": {"kind": "rate"}}
    with pytest.raises(
        UnreadableDocumentError, match=r"\Afind: a search, whose levels are no runs; expected"
    ):
        read_document(json.dumps(found))


def changed(*path: object, value: object) -> str:
    """The document with one value changed."""
    *outer, last = path
    whole = found = json.loads(text())
    for name in outer:
        found = found[name]
    found[last] = value
    return json.dumps(whole)


def nested(depth: int) -> list:
    value = []
    for _ in range(depth):
        value = [value]
    return value


PROMPT = {"overhead": 9, "tokens_per_word": 1.5, "probed": True, "problem": None, "words": 79.3}
TRACE = {"format": "azure", "rows": 9, "left_out": 0}
FIRST = ("levels", 0)
RECORD = (*FIRST, "records", 1)


@pytest.mark.parametrize(
    ("document", "word"),
    [
        ("", "Input data was truncated"),
        ("{", "Input data was truncated"),
        ("[]", "Expected `object`"),
        ('{"workload": {"extra_body": ' + 5000 * "[", "recursion"),
        (changed("levels", value=[]), "levels: empty; expected at least one"),
        (changed("endpoint", "api", value="play"), "api='play': unknown provider API"),
        (changed("workload", "output_tokens", value=0), "output_tokens=0: must be at least 1"),
        (changed("workload", "file_sha256", value=5), "Expected `object`, got `int`"),
        (changed("workload", "inputs", value=2**40), "inputs=1099511627776: must be from 1 to 10000"),
        (changed(*FIRST, "load", value={"requests": 5}), "needs either a concurrency, a rate or the speed"),
        (changed(*FIRST, "started_at", value="now"), "Invalid isoformat string: 'now'"),
        (changed(*FIRST, "started_at", value="2026-11-24T12:00:00"), "no time zone; expected one such as"),
        (changed(*RECORD, "sent_ns", value="now"), "Expected `int`, got `str`"),
        (changed(*RECORD, "error", value="odd"), "error='odd': unknown error class; expected one of connect"),
        (changed(*RECORD, "index", value=0), "index=0: duplicate; expected a different one"),
        (changed(*RECORD, "chunk_tokens", value=[1]), "record 1: chunk_tokens: 1 values; expected 5"),
        (changed(*RECORD, "chunk_tokens", value=[1, 1, 1, 1, -1]), "record 1: chunk_tokens=-1: out of range"),
        (changed(*RECORD, "chunk_tokens", value=[1, 1, 1, 1, 2]), "chunk_tokens: 6 in total; expected"),
        (changed(*RECORD, "chunk_offsets_ns", value=[5, 4, 3, 2, 1]), "chunk_offsets_ns: out of order"),
        (changed(*RECORD, "output_tokens", value=-5), "record 1: output_tokens=-5: out of range"),
        (changed(*RECORD, "prompt_tokens", value=2**40), "prompt_tokens=1099511627776: out of range"),
        (changed(*RECORD, "prompt_tokens", value=2**63), "prompt_tokens=9223372036854775808: out of range"),
        (changed(*RECORD, "prompt_tokens", value=10**4000), "prompt_tokens"),
        (changed(*RECORD, "prompt_tokens", value=True), "Expected `int | null`, got `bool`"),
        (changed(*RECORD, "status", value=70_000), "record 1: status=70000: out of range; expected 0 to 999"),
        (changed(*RECORD, "index", value=2**31), "index=2147483648: out of range"),
        (changed(*RECORD, "sent_ns", value=2**63), "sent_ns=9223372036854775808: out of range"),
        (changed(*RECORD, "end_ns", value=0), "end_ns=0: before last_token_ns; expected at least"),
        (changed(*RECORD, "connect_ns", value=-1), "connect_ns=-1: out of range"),
        (changed(*FIRST, "duration_s", value=-1), "duration_s=-1.0: out of range; expected 0 to 1000000000"),
        (changed(*FIRST, "client_cpu_s", value=1e300), "client_cpu_s=1e+300: out of range"),
        (changed(*FIRST, "client_wait_s", value=-1), "client_wait_s=-1.0: out of range"),
        (changed(*FIRST, "repeated_prompts", value=10**6), "repeated_prompts=1000000: out of range"),
        (changed(*FIRST, "prompt", "overhead", value=-1), "prompt.overhead=-1: out of range"),
        (changed(*FIRST, "prompt", "tokens_per_word", value=0), "prompt.tokens_per_word=0.0: out of range"),
        (changed(*RECORD, "pause_ns", value=-1), "pause_ns=-1: out of range"),
        (changed(*RECORD, "cached_tokens", value=-1), "cached_tokens=-1: out of range"),
        (changed(*RECORD, "reasoning_tokens", value=2**40), "reasoning_tokens=1099511627776: out of range"),
        (changed(*RECORD, "first_answer_ns", value=0), "first_answer_ns=0: before first_token_ns"),
        (changed(*FIRST, "send_lag_ms", "p99", value=1e300), "send_lag_ms.p99=1e+300: out of range"),
        (changed(*FIRST, "load", "requests", value=2**40), "load.requests=1099511627776: out of range"),
        (changed(*FIRST, "load", "requests", value=10**400), "load.requests=a number of 1329 bits"),
        (changed(*FIRST, "started_at", value="0001-01-01T00:00:00+23:00"), "out of range"),
        (changed("workload", "extra_body", value={"a": ["b\0"]}), "workload=b\\x00: NUL; expected a text"),
        (changed("workload", "extra_body", value={"a\0": 1}), "workload=a\\x00: NUL"),
        (changed("workload", "extra_body", value={"a": nested(500)}), "nested too deeply"),
        (changed(*FIRST, "load", value={"speed": 2}), "trace: missing; expected both a trace and its speed"),
        (changed(*FIRST, "trace", value=TRACE | {"format": "odd"}), "Invalid enum value 'odd'"),
        (changed(*FIRST, "trace", value=TRACE | {"rows": -1}), "trace.rows=-1: out of range"),
        (changed(*FIRST, "trace", value=TRACE | {"left_out": 2**40}), "trace.left_out=1099511627776: out of"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_reason(document, word):
    with pytest.raises(UnreadableDocumentError) as raised:
        read_document(document)

    assert word in str(raised.value)


def test_tokens_of_a_level_that_no_memory_holds_are_refused():
    whole = json.loads(text())
    (record,) = whole["levels"][1]["records"]
    many = {**record, "output_tokens": 10_000_000}
    whole["levels"][1]["records"] = [{**many, "index": index} for index in range(11)]

    with pytest.raises(
        UnreadableDocumentError, match="output_tokens: 110000000 in a level; expected at most"
    ):
        read_document(json.dumps(whole))


def test_texts_are_cut_and_cleaned():
    whole = json.loads(text())
    whole["levels"][0]["records"][2]["error_detail"] = "\x1b[2J\0" + 9999 * "x"
    whole["levels"][0]["records"][1]["finish_reason"] = 9999 * "\0"
    whole["levels"][0]["records"][1]["answered_by"] = "\x1b" + 9999 * "x"
    whole["levels"][1]["invalid_reason"] = "\0" + 9999 * "x"
    whole["levels"][1]["prompt"]["problem"] = "\0" + 9999 * "x"

    levels = read_document(json.dumps(whole)).levels

    assert levels[0].records[2].error_detail == ("\\x1b[2J\\x00" + 9999 * "x")[:400]
    assert levels[0].records[1].finish_reason == 25 * "\\x00"
    assert levels[0].records[1].answered_by == ("\\x1b" + 9999 * "x")[:200]
    assert levels[1].invalid_reason == levels[1].counting.problem == ("\\x00" + 9999 * "x")[:400]


def test_how_the_endpoint_counts_prompts_stays_known():
    read = read_document(changed(*FIRST, "prompt", value=PROMPT))

    assert read.levels[0].counting == Counting(9, 1.5, probed=True)
