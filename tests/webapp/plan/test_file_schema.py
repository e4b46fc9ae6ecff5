"""The parts of a benchmark file, and how they refer to one another."""

import pytest

from tests.webapp.plan.files import GOOD

FAULTS = [
    ("- 1", "1: must be a mapping"),
    ("", "1: llms: missing; expected a value"),
    ("1: x", "1: [1]: unknown field; expected one of llms, workloads, notify"),
    ("workloads: []\nnotify: [{target: A}]", "1: llms: missing; expected a value"),
    (GOOD.replace("model: fast", "model: fast\n        workloads: [chat, talk]"),
     "6: llms[0].workloads[1]='talk': unknown workload; expected one of chat"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_missing_parts_and_unknown_workloads_are_refused(faults, text, fault):
    assert any(found.startswith(f"benchmark.yml:{fault}") for found in faults(text)), faults(text)
