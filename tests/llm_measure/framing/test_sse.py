import pytest

from llm_measure.framing import sse
from tests.llm_measure.streams import STREAMS

LINE_ENDS = {"LF": b"\n", "CRLF": b"\r\n", "CR": b"\r"}


def events(parts: list[bytes], times: list[int]) -> list[tuple[int, bytes]]:
    return [(times[number], data) for number, data in sse.events(parts)]


@pytest.mark.parametrize("line_end", LINE_ENDS)
@pytest.mark.parametrize("name", STREAMS)
def test_every_split_in_two_gives_the_same_events_at_the_moment_of_their_last_byte(name, line_end):
    body = STREAMS[name].body.replace(b"\n", LINE_ENDS[line_end])
    whole = [data for _, data in events([body], [1])]
    assert whole

    for cut in range(len(body) + 1):
        found = events([body[:cut], body[cut:]], [1, 2])

        assert [data for _, data in found] == whole
        # Events that the first part completes have its moment; a CR at its end may be half of a line's end.
        complete = [data for _, data in events([body[:cut]], [1])] if cut else []
        first = [data for moment, data in found if moment == 1]
        assert first == complete[: len(first)]
        assert len(complete) - len(first) <= 1


def test_each_byte_may_arrive_separately():
    stream = STREAMS["role first, usage last"].body.replace(b"\n", b"\r\n")
    parts = [stream[at : at + 1] for at in range(len(stream))]

    found = events(parts, list(range(len(parts))))

    assert [data for _, data in found] == [data for _, data in events([stream], [0])]
    assert [moment for moment, _ in found] == sorted(moment for moment, _ in found)
    assert len({moment for moment, _ in found}) == len(found)


def test_events_of_one_part_share_a_moment_and_a_cut_event_has_that_of_its_last_part():
    parts = [b"data: a\n\ndata: b\n\nda", b"ta: ", b"c\n\n"]

    assert events(parts, [10, 20, 30]) == [(10, b"a"), (10, b"b"), (30, b"c")]


def test_comments_and_empty_data_are_not_events():
    assert events([], []) == []
    assert events([b"", b": hello\n\n\n"], [1, 2]) == []
    assert events([b"data: a\n\n", b"data: \n\n"], [1, 2]) == [(1, b"a")]


def test_if_each_part_is_an_event_of_one_line_its_data_is_the_rest_of_the_line():
    parts = [b"data: a\n\n", b"data: b c\n\n", b"data: [DONE]\n\n"]

    assert sse.plain_events(parts) == [b"a", b"b c", b"[DONE]"]
    assert list(zip([1, 2, 3], sse.plain_events(parts), strict=True)) == events(parts, [1, 2, 3])


@pytest.mark.parametrize(
    "parts",
    [
        [b"data: a\n\nd", b"ata: b\n\n"],
        [b"data: a\n\n", b": comment\n\n"],
        [b"data:a\n\n"],
        [b"data: a\r\n\r\n"],
        [b"data: a\n"],
        [b""],
    ],
)
def test_other_parts_are_not_plain(parts):
    assert sse.plain_events(parts) is None
