import pytest

from llm_measure.results import ClientTime
from llm_measure.validity import why_invalid
from llm_measure.workloads import Load
from tests.measured import SECOND, answered, failed

FREE = ClientTime(busy_s=3.0, waited_s=0.1, lasted_s=10.0)


def late(records, *numbers: int):
    """The records, of which some are sent 50 ms late."""
    for number in numbers:
        records[number].sent_ns += SECOND // 20
    return records


def read_late(records, *numbers: int):
    """The records, of which some have a first token that may have come 2 ms earlier."""
    for number in numbers:
        records[number].first_token_unsure_ns = SECOND // 500
    return records


def with_late_chunks(records, number: int):
    """The records, of whose chunks that number was read together with later ones."""
    records[2].late_chunks = number
    return records


def in_a_row(n: int, streams: int = 1, pause_s: float = 0.0):
    """Requests of a second each, by several streams, with pauses in between."""
    records = []
    for number in range(n):
        record = answered(number)
        record.intended_ns = record.sent_ns = round((number // streams) * (1 + pause_s) * SECOND)
        record.end_ns = record.sent_ns + SECOND
        records.append(record)
    return records


def test_a_level_whose_load_was_held_is_valid():
    assert why_invalid(Load(concurrency=4, requests=40), in_a_row(40, 4), [FREE]) is None
    assert why_invalid(Load(rate=1, requests=40), in_a_row(40), [FREE]) is None


def talked(streams: int, thinks_s: float, conversations: int = 6, turns: int = 4, late: int = 0):
    """Conversations of turns of a second each, one after another in each stream, the first ones longer."""
    records = []
    for stream in range(streams):
        now = stream * SECOND // 1000
        for number in range(conversations):
            for turn in range(1, turns + 1 + late * (stream == 0 and number == conversations - 1)):
                record = answered(len(records))
                record.conversation, record.turn = number * streams + stream, turn
                record.intended_ns, record.sent_ns, record.end_ns = now, now, now + SECOND
                record.pause_ns = round(thinks_s * SECOND) or None
                now = record.end_ns + round(thinks_s * SECOND)
                records.append(record)
            records[-1].pause_ns = None
            now = records[-1].end_ns
    return records


def test_users_who_think_hold_their_streams():
    load, records = Load(concurrency=4, requests=24), talked(4, thinks_s=9)
    assert why_invalid(load, records, [FREE]) is None

    for record in records:
        record.pause_ns = None
    assert "was not held" in str(why_invalid(load, records, [FREE]))


def test_turns_after_the_last_conversation_has_begun_need_no_other_streams():
    assert why_invalid(Load(concurrency=4, requests=24), talked(4, 0, late=90), [FREE]) is None


def test_too_few_conversations_for_the_streams_are_no_load():
    why = why_invalid(Load(concurrency=9, requests=8), talked(4, 1, conversations=2), [FREE])
    assert why == "concurrency 9 was never reached by 8 conversations"


@pytest.mark.parametrize(
    ("load", "records", "clients", "word"),
    [
        (Load(concurrency=1, requests=9), [], [FREE], "no request was measured"),
        (Load(concurrency=1, requests=9), [failed(0, "cancelled")], [FREE], "no request was measured"),
        (Load(concurrency=1, requests=9), [answered(0, warmup=True)], [FREE], "no request was measured"),
        (Load(concurrency=1, requests=2), [failed(0), failed(1)], [FREE], "no request succeeded"),
        (Load(concurrency=1, requests=9), in_a_row(9), [FREE, ClientTime(9.5, 0, 10)], "95% of a processor"),
        (Load(concurrency=1, requests=9), in_a_row(9), [FREE, ClientTime(1, 2, 10)], "waited 2 s, 20% of"),
        (Load(concurrency=1, requests=8), late(in_a_row(8), 3, 5), [FREE], "2 of 8 requests were sent more"),
        (Load(concurrency=1, requests=500), late(in_a_row(500), *range(6)), [FREE], "6 of 500 requests"),
        (
            Load(concurrency=1, requests=8),
            read_late(in_a_row(8), 3, 5),
            [FREE],
            "it read 2 of 8 first tokens",
        ),
        (Load(concurrency=1, requests=8), with_late_chunks(in_a_row(8), 2), [FREE], "6% of the chunks late"),
        (Load(concurrency=8, requests=4), in_a_row(4, 8), [FREE], "never reached by 4"),
        (Load(concurrency=4, requests=40), in_a_row(40, 4, pause_s=0.5), [FREE], "not held: 2.7"),
    ],
)
def test_a_level_that_is_not_valid_has_a_reason(load, records, clients, word):
    assert word in why_invalid(load, records, clients)


@pytest.mark.parametrize(
    ("records", "clients"),
    [
        (late(in_a_row(8), 3), [FREE]),
        (read_late(in_a_row(8), 3), [FREE]),
        (with_late_chunks(in_a_row(8), 1), [FREE]),
        (late(in_a_row(500), *range(5)), [FREE]),
        (in_a_row(9), [ClientTime(1, 1.4, 10)]),
        (in_a_row(9), [ClientTime(0.01, 0.04, 0.1)]),
    ],
)
def test_what_chance_explains_does_not_make_a_level_invalid(records, clients):
    assert why_invalid(Load(concurrency=1, requests=len(records)), records, clients) is None


def test_a_rate_that_was_not_held_is_not_valid():
    records = in_a_row(40)
    for record in records:
        record.connect_ns = record.sent_ns
        record.sent_ns *= 2

    assert "was not held: it was 50%" in why_invalid(Load(rate=1, requests=40), records, [FREE])


def test_pauses_after_failures_do_not_make_a_level_invalid():
    records = in_a_row(40, 4, pause_s=0.5)
    assert why_invalid(Load(concurrency=4, requests=40), records, [FREE])

    for record in records[1:]:
        record.error = "http_5xx"
    assert why_invalid(Load(concurrency=4, requests=40), records, [FREE]) is None


def test_pauses_that_the_endpoint_asks_for_do_not_make_a_level_invalid():
    records = in_a_row(40, 4, pause_s=20)
    for record in records[1:]:
        record.error = "rate_limited"
    assert "not held" in why_invalid(Load(concurrency=4, requests=40), records, [FREE])

    for record in records[1:]:
        record.pause_ns = 20 * SECOND
    assert why_invalid(Load(concurrency=4, requests=40), records, [FREE]) is None


def test_requests_of_a_trace_may_be_due_at_one_moment():
    records = [answered(number) for number in range(40)]
    for number, record in enumerate(records):
        record.intended_ns, record.sent_ns = 0, number * SECOND // 10_000
        record.end_ns = record.sent_ns + SECOND

    assert why_invalid(Load(speed=1), records, [FREE]) is None


def test_a_trace_whose_requests_were_sent_too_slowly_is_not_valid():
    records = in_a_row(200)
    for number, record in enumerate(records):
        record.intended_ns = number * SECOND // 1000
        record.sent_ns = record.intended_ns + (number == 199) * SECOND // 4
        record.end_ns = record.sent_ns + SECOND

    assert why_invalid(Load(speed=3), records, [FREE]) == (
        "the rate was not held: it was 46% of the planned rate"
    )
