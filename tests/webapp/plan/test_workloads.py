"""Declared workloads as the measuring library has them: lengths, datasets, conversations, schemas."""

import json

import pytest

from tests.webapp.plan.files import GOOD
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import description


def test_a_dataset_is_found_next_to_the_file(write, tmp_path):
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "one"}\n')

    (found,) = read_benchmark_file(write(GOOD + "        dataset: prompts.jsonl\n"))

    assert found.workload.dataset == str(tmp_path / "prompts.jsonl")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"prompt": "one"}\n{"prompt": 7}\n', ":2: prompt: must be a text"),
        ("", ": empty; expected at least one prompt"),
    ],
)
def test_a_dataset_with_a_faulty_row_or_none_is_refused(faults, tmp_path, content, fault):
    (tmp_path / "prompts.jsonl").write_text(content)

    (found,) = faults(GOOD + "        dataset: prompts.jsonl\n")

    expected = f"10: workloads[0].dataset='prompts.jsonl': {tmp_path}/prompts.jsonl{fault}"
    assert found.startswith(f"benchmark.yml:{expected}")


def test_a_shared_prefix_is_part_of_the_definition_and_described(write):
    (planned,) = read_benchmark_file(write(f"{GOOD}        shared_prefix: 0.5\n        prefixes: 4\n"))

    assert (planned.definition["shared_prefix"], planned.definition["prefixes"]) == (0.5, 4)
    described = description(planned.workload, planned.load)
    assert described.startswith("128 input tokens with 50% in common (4 prefixes), 128 output tokens")


def test_lengths_of_a_file_are_found_from_the_benchmark_files_folder(write, faults, tmp_path):
    (tmp_path / "lengths.txt").write_text("8\n16\n")
    text = f"{GOOD}        input_tokens: file:lengths.txt\n        output_tokens: normal:64,8\n"

    (planned,) = read_benchmark_file(write(text))
    assert planned.workload.input_tokens == f"file:{tmp_path}/lengths.txt"
    assert planned.definition["output_tokens"] == "normal:64,8"
    assert len(planned.definition["input_tokens"]) == 64

    (tmp_path / "lengths.txt").write_text("8\nmany\n")
    (fault,) = faults(text)
    assert fault == (
        f"benchmark.yml:10: workloads[0].input_tokens='file:lengths.txt': {tmp_path}/lengths.txt:2:"
        " must be a number of at least 0"
    )


def test_an_answer_schema_is_found_next_to_the_file_and_identified_by_its_content(write, tmp_path):
    text = GOOD + "        expects: json\n        answer_schema: schema.json\n"
    (tmp_path / "schema.json").write_text('{"type": "object"}')

    (found,) = read_benchmark_file(write(text))

    assert found.workload.answer_schema == str(tmp_path / "schema.json")
    assert found.definition["expects"] == "json"
    assert len(found.definition["answer_schema"]) == 64


@pytest.mark.parametrize(
    ("schema", "fault"), [(None, "file not found"), ("[]", "must be a JSON schema of type object")]
)
def test_a_wrong_answer_schema_is_refused_with_its_line(faults, tmp_path, schema, fault):
    if schema:
        (tmp_path / "schema.json").write_text(schema)
    (found,) = faults(GOOD + "        expects: json\n        answer_schema: schema.json\n")

    assert found.startswith("benchmark.yml:")
    assert "workloads[0].answer_schema='schema.json'" in found
    assert fault in found


def test_conversations_have_turns_and_think_times_that_identify_the_scenario(write, tmp_path):
    (tmp_path / "pauses.txt").write_text("1\n2\n")
    text = GOOD + "        turns: 2..4\n        think_time: file:pauses.txt\n"

    (found,) = read_benchmark_file(write(text))

    assert (found.workload.turns, found.workload.think_time) == ("2..4", f"file:{tmp_path}/pauses.txt")
    assert found.definition["turns"] == "2..4"
    assert len(found.definition["think_time"]) == 64


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ("turns: '3'", "turns='3': must be a whole number"),
        ("turns: 0", "turns=0: must be a whole number from 1 to 1000"),
        ("turns: 2..1500", "turns='2..1500': must be from 1 to 1000"),
        ("turns: some", "turns='some': must be one of N, A..B"),
        ("turns: all", "turns='all': needs a dataset of conversations"),
        ("think_time: 1", "think_time=1: needs turns"),
        ("turns: 3\n        think_time: -1", "think_time=-1: must be a number from 0 to 86400"),
        ("turns: all\n        dataset: bad.jsonl", "dataset='bad.jsonl': PATH/bad.jsonl:1: "),
    ],
)
def test_wrong_conversations_are_refused_by_their_field(faults, tmp_path, options, fault):
    (tmp_path / "bad.jsonl").write_text('{"prompt": 7}\n')

    (found,) = faults(GOOD + f"        {options}\n")

    assert f"workloads[0].{fault.replace('PATH', str(tmp_path))}" in found


def test_the_longest_duration_of_conversations_is_known_without_their_dataset(write, tmp_path):
    dataset = tmp_path / "talks.jsonl"
    said = [{"role": role, "content": "a"} for role in ("user", "assistant", "user")]
    dataset.write_text(json.dumps({"messages": said}) + "\n")
    (found,) = read_benchmark_file(
        write(GOOD + "        turns: all\n        dataset: talks.jsonl\n        timeout: 5\n")
    )
    dataset.unlink()

    assert found.longest_s == (10 / 2 + 1) * 2 * 5 + found.overhead_s
