"""Conversations against a server that knows what it has answered."""

import json
import threading
from collections import Counter
from itertools import pairwise

import pytest

from llm_measure.client.level import measure_level
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.records import SECOND_NS, Numbers, Record
from llm_measure.workloads import Load, Workload
from tests.llm_measure.conversing import APIS, answer_to, conversing


def workload(**options: object) -> Workload:
    return Workload(**{"input_tokens": 12, "output_tokens": 9, "seed": 3, "turns": 3, **options})


def by_conversation(records: list[Record]) -> list[list[Record]]:
    """The requests of each conversation, by turn."""
    found: dict[int | None, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.turn or 0):
        found.setdefault(record.conversation, []).append(record)
    return list(found.values())


@pytest.mark.parametrize("api", APIS)
def test_every_turn_carries_what_was_said_before_with_the_answers_of_the_server(api):
    with conversing(api) as server:
        endpoint = Endpoint(server.url, "m", api=api, api_key="k")
        result = measure_level(endpoint, workload(), Load(concurrency=2, requests=4))

    assert [record.error for record in result.records] == [None] * 12
    assert server.faults() == []
    assert server.lengths == {3: 4}
    assert [[record.turn for record in each] for each in by_conversation(result.records)] == [[1, 2, 3]] * 4
    assert all(record.sent_ns >= record.intended_ns for record in result.records)


@pytest.mark.parametrize("processes", [1, 3])
def test_conversations_and_requests_are_numbered_once_over_processes_and_levels(processes):
    with conversing() as server:
        endpoint, load = Endpoint(server.url, "m"), Load(concurrency=3, requests=10, warmup=3)
        first = measure_level(endpoint, workload(turns="1..4"), load, processes=processes)
        following = Numbers().after(first.records)
        second = measure_level(endpoint, workload(turns="1..4"), load, first=following)

    records = first.records + second.records
    assert server.faults() == []
    assert len({record.index for record in records}) == len(records) == len(server.said)
    conversations = by_conversation(records)
    assert len(conversations) == 26
    assert sum(each[0].warmup for each in conversations) == 6
    assert all(len({record.warmup for record in each}) == 1 for each in conversations)
    assert Counter(map(len, conversations)) == server.lengths
    assert len(server.lengths) > 1


def test_a_turn_is_sent_when_its_user_has_thought_since_the_answer():
    with conversing() as server:
        load = Load(concurrency=2, requests=4)
        result = measure_level(Endpoint(server.url, "m"), workload(think_time="0.05..0.15"), load)

    assert server.faults() == []
    pauses = [
        (before.pause_ns, after.intended_ns - before.end_ns)
        for conversation in by_conversation(result.records)
        for before, after in pairwise(conversation)
    ]
    assert [pause for pause, _ in pauses] == [waited for _, waited in pauses]
    assert all(0.05 <= waited / SECOND_NS <= 0.15 for _, waited in pauses)
    assert len(set(pauses)) == 8
    assert all(record.late_ms >= 0 for record in result.records)
    assert result.retry_after.requests == 0


def test_a_failed_turn_ends_its_conversation_and_another_begins():
    fails = {1: False, 3: True, 5: False}  # by the number of messages that were said
    with conversing(answer=lambda said: None if fails[len(said)] else answer_to(said)) as server:
        result = measure_level(Endpoint(server.url, "m"), workload(), Load(concurrency=1, requests=3))

    assert server.faults() == []
    assert server.lengths == {2: 3}
    assert [(record.turn, record.error) for record in result.records] == [(1, None), (2, "http_5xx")] * 3


@pytest.mark.parametrize(("api", "turns"), [("chat", 3), ("responses", 3), ("messages", 1), ("gemini", 1)])
def test_an_empty_answer_is_carried_unless_the_api_refuses_that(api, turns):
    with conversing(api, answer=lambda said: "") as server:
        endpoint = Endpoint(server.url, "m", api=api)
        result = measure_level(endpoint, workload(), Load(concurrency=1, requests=2))

    assert server.lengths == {turns: 2}
    assert server.faults() == []
    assert {record.error for record in result.records} == {None}


@pytest.mark.parametrize("takes_s", [0, 30])
def test_a_stop_ends_conversations_while_users_think_or_the_server_answers(takes_s):
    stop, closed = threading.Event(), threading.Event()

    def answer_after_the_stop() -> None:
        stop.set()
        closed.wait(takes_s)

    with conversing(meanwhile=answer_after_the_stop) as server:
        load, asked = Load(concurrency=2, requests=100), workload(turns=50, think_time=30)
        result = measure_level(Endpoint(server.url, "m"), asked, load, stop=stop)
        closed.set()

    assert server.faults() == []
    assert [record.turn for record in result.records] == [1, 1]
    assert {record.error for record in result.records} == {"cancelled" if takes_s else None}


def test_after_a_duration_no_turn_is_sent_and_users_who_think_hold_their_stream():
    with conversing() as server:
        load = Load(concurrency=4, duration_s=0.4)
        asked = workload(turns=5, think_time="0.05..1")
        result = measure_level(Endpoint(server.url, "m"), asked, load)

    assert server.faults() == []
    begin = min(record.intended_ns for record in result.records)
    assert all(record.intended_ns - begin <= 0.4 * SECOND_NS for record in result.records)
    # Nobody whose next turn would come too late begins another conversation instead.
    unfinished = [each for each in by_conversation(result.records) if len(each) < 5]
    assert len(unfinished) <= 4


def test_at_a_rate_each_planned_moment_begins_a_conversation():
    with conversing() as server:
        load = Load(rate=50, arrival="constant", requests=10)
        result = measure_level(Endpoint(server.url, "m"), workload(think_time=0.01), load)

    assert server.faults() == []
    assert server.lengths == {3: 10}
    firsts = [record.intended_ns for record in result.records if record.turn == 1]
    assert [round((after - before) / 1e6) for before, after in pairwise(sorted(firsts))] == [20] * 9


@pytest.mark.parametrize(
    ("turns", "lengths"), [("all", {1: 1, 2: 1, 4: 1}), (3, {1: 1, 2: 1, 3: 1}), (1, {1: 3})]
)
def test_a_dataset_brings_what_users_say(tmp_path, turns, lengths):
    path = tmp_path / "conversations.jsonl"
    rows = [{"prompt": "once"}, *({"messages": _conversation(name, n)} for name, n in (("a", 2), ("b", 4)))]
    path.write_text("\n".join(map(json.dumps, rows)))
    with conversing(answer=lambda said: answer_to(said[-1:])) as server:
        asked = Workload(dataset=str(path), turns=turns, seed=1)
        measure_level(Endpoint(server.url, "m"), asked, Load(concurrency=1, requests=3))

    assert server.lengths == lengths
    longest = max(server.said, key=len)
    assert [text for role, text in longest if role == "user"] == [
        f"b{n}" for n in range(1, max(lengths) + 1)
    ] or turns == 1


def test_a_dataset_repeats_only_after_its_last_conversation_however_many_turns_they_have(tmp_path):
    path = tmp_path / "conversations.jsonl"
    path.write_text("\n".join(json.dumps({"messages": _conversation(name, 3)}) for name in "abcdef"))
    first, repeated = Numbers(), []
    with conversing() as server:
        for _ in range(4):
            asked = Workload(dataset=str(path), turns="all", seed=1)
            result = measure_level(
                Endpoint(server.url, "m"), asked, Load(concurrency=1, requests=2), first=first
            )
            repeated.append(result.repeated_prompts)
            first = first.after(result.records)

    assert repeated == [0, 0, 0, 6]
    assert len(server.faults()) == 6  # each asked twice


def _conversation(name: str, turns: int) -> list[dict[str, str]]:
    """A conversation that brings answers, which are not sent."""
    pairs = (
        ({"role": "user", "content": f"{name}{n}"}, {"role": "assistant", "content": "another"})
        for n in range(1, turns + 1)
    )
    return [message for pair in pairs for message in pair]


@pytest.mark.parametrize("api", ["completions", "embeddings"])
def test_an_api_without_messages_refuses_turns(api):
    endpoint = Endpoint("http://127.0.0.1:9/v1", "m", api=api)
    with pytest.raises(ValueError, match=r"completions API|inputs: missing"):
        measure_level(endpoint, workload(), Load(concurrency=1, requests=1))


def test_the_mock_server_counts_the_whole_history_in_each_api():
    with running_mock_server(Behaviour(ttft=0.0, itl=0.0)) as url:
        for api in APIS:
            base = url.removesuffix("/v1") if api in ("azure", "bedrock") else url
            endpoint = Endpoint(base, "m", api=api, api_key="k")
            result = measure_level(endpoint, workload(), Load(concurrency=1, requests=1))
            counted = [record.prompt_tokens for record in result.records]
            assert counted == [12, 12 + 9 + 12, 12 + 9 + 12 + 9 + 12], api
