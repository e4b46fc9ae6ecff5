import json
from dataclasses import replace

import pytest

from llm_measure.endpoints import Endpoint
from llm_measure.report.document import as_json, document
from llm_measure.report.reading import UnreadableDocumentError, read_document
from llm_measure.workloads import Load, Workload
from tests.measured import START, answered, failed, level

ENDPOINT = Endpoint("http://x:8000/v1", "m", "completions", api_key="sesame")
WORKLOAD = Workload(dataset="rows.jsonl", slo={"ttft": 0.5}, seed=7, extra_body={"temperature": 0})
LEVELS = [
    level([answered(0, warmup=True), answered(1), failed(2)]),
    replace(level([answered(3)], "the rate was not held"), load=Load(rate=2.5, duration_s=60.0)),
]


def text(records: bool = True) -> str:
    return as_json(document(ENDPOINT, WORKLOAD, LEVELS, records, dataset_digest="abc"))


def test_what_was_written_is_read_with_moments_from_the_start_of_each_level():
    found = read_document(text())

    assert found.endpoint == replace(ENDPOINT, api_key=None)
    assert (found.workload, found.dataset_sha256) == (WORKLOAD, "abc")
    assert found.levels == [
        replace(made, start_ns=0, records=[record.since(START) for record in made.records]) for made in LEVELS
    ]


def test_what_was_read_is_written_as_it_was():
    found = read_document(text())

    again = document(found.endpoint, found.workload, found.levels, True, found.dataset_sha256)
    assert as_json(again) == text()


def test_without_records_it_is_refused_with_advice():
    with pytest.raises(UnreadableDocumentError, match=r"`records` .*; write it with --records"):
        read_document(text(records=False))


def changed(*path: object, value: object) -> str:
    """The document with one value changed."""
    *outer, last = path
    whole = found = json.loads(text())
    for name in outer:
        found = found[name]
    found[last] = value
    return json.dumps(whole)


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
        (changed("workload", "dataset_sha256", value=5), "Expected `str | null`, got `int`"),
        (changed(*FIRST, "load", value={"requests": 5}), "needs either a concurrency or a rate"),
        (changed(*FIRST, "started_at", value="now"), "Invalid isoformat string: 'now'"),
        (changed(*FIRST, "started_at", value="2026-11-24T12:00:00"), "no time zone; expected one such as"),
        (changed(*RECORD, "sent_ns", value="now"), "Expected `int`, got `str`"),
        (changed(*RECORD, "error", value="odd"), "error='odd': unknown error class; expected one of connect"),
        (changed(*RECORD, "index", value=0), "index=0: duplicate; expected a different one"),
        (changed(*RECORD, "chunk_tokens", value=[1]), "record 1: chunk_offsets_ns and chunk_tokens differ"),
        (changed(*RECORD, "chunk_tokens", value=[1, 1, 1, 1, -1]), "record 1: chunk_tokens out of range"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_reason(document, word):
    with pytest.raises(UnreadableDocumentError) as raised:
        read_document(document)

    assert word in str(raised.value)
