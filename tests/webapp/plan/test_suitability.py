"""Which LLMs take part in which workloads."""

import pytest

from tests.webapp.plan.files import with_options
from webapp.plan.benchmark_file import read_benchmark_file

KINDS = """
    llms:
      - {name: Vectors, base_url: http://h/v1, model: m, api: embeddings}
      - {name: Ranks, base_url: http://h/v1, model: m, api: rerank}
      - {name: Chatty, base_url: http://h/v1, model: m}
    workloads:
      - {name: chat, concurrency: 8, requests: 1}
      - {name: texts, inputs: 16, input_tokens: 64, concurrency: 8, requests: 1}
"""


def test_an_llm_takes_part_in_the_workloads_of_its_apis_kind(write):
    found = read_benchmark_file(write(KINDS))

    assert [(one.llm, one.scenario, one.workload.inputs) for one in found] == [
        ("Vectors", "texts@c8-embeddings", 16),
        ("Ranks", "texts@c8-rerank", 16),
        ("Chatty", "chat@c8", None),
    ]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"api: rerank": "api: rerank, workloads: [texts, chat]"},
            "4: llms[1].workloads[1]='chat': unsuitable; expected a workload with inputs, as the rerank API"
            " needs",
        ),
        (
            {"name: Chatty": "name: Chatty, workloads: [texts]"},
            "5: llms[2].workloads[0]='texts': unsuitable; expected a workload without inputs, as the chat API"
            " needs",
        ),
        (
            {"inputs: 16, ": "", "- {name: Ranks, base_url: http://h/v1, model: m, api: rerank}": ""},
            "3: llms[0].api='embeddings': no workload for it; expected a workload with inputs, as the"
            " embeddings API needs",
        ),
        (
            {"inputs: 16": "inputs: 16, output_tokens: 5"},
            "8: workloads[1].output_tokens=5: does not apply to a workload with inputs",
        ),
        (
            {"inputs: 16": "inputs: 16, slo: {ttft: 1}"},
            "8: workloads[1].slo.ttft=1: unknown objective; expected one of e2e_latency",
        ),
        (
            {"inputs: 16": "inputs: 16, expects: json"},
            "8: workloads[1].expects='json': does not apply to a workload with inputs",
        ),
        ({"inputs: 16": "inputs: 0"}, "8: workloads[1].inputs=0: must be a whole number from 1 to 10000"),
        (
            {"api: rerank": "api: rerank, stream_usage: false"},
            "4: llms[1].stream_usage=False: does not apply to the rerank API",
        ),
    ],
)
def test_what_does_not_apply_to_a_kind_is_refused_by_name(faults, changes, fault):
    text = KINDS
    for old, new in changes.items():
        text = text.replace(old, new)

    assert faults(text) == [f"benchmark.yml:{fault}"]


def test_an_llm_without_tools_does_not_take_part_in_what_needs_them(faults):
    text = with_options("api: completions") + "        expects: tool\n"
    (found,) = faults(text)

    assert "no workload for it; expects=tool: does not apply to the completions API" in found


def test_an_llm_without_messages_does_not_take_part_in_conversations(faults):
    (found,) = faults(with_options("api: completions") + "        turns: 3\n")

    assert "no workload for it; turns=3: does not apply to the completions API" in found
