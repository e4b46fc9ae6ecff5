import pytest

from jobs.measure.sse import events
from tests.jobs.measure.streams import STREAMS

LINE_ENDS = {"LF": b"\n", "CRLF": b"\r\n", "CR": b"\r"}


@pytest.mark.parametrize("line_end", LINE_ENDS)
@pytest.mark.parametrize("name", STREAMS)
def test_every_split_in_two_gives_the_same_events_each_when_its_last_byte_came(name, line_end):
    body = STREAMS[name].body.replace(b"\n", LINE_ENDS[line_end])
    whole = [data for _, data in events([body], [1])]
    assert whole

    for cut in range(len(body) + 1):
        found = list(events([body[:cut], body[cut:]], [1, 2]))

        assert [data for _, data in found] == whole
        # What the first part holds in whole came with it; a CR at its end may be half of a line's end.
        complete = [data for _, data in events([body[:cut]], [1])] if cut else []
        first = [data for moment, data in found if moment == 1]
        assert first == complete[: len(first)]
        assert len(complete) - len(first) <= 1


def test_each_byte_may_come_on_its_own():
    stream = STREAMS["role first, usage last"].body.replace(b"\n", b"\r\n")
    parts = [stream[at : at + 1] for at in range(len(stream))]

    found = list(events(parts, list(range(len(parts)))))

    assert [data for _, data in found] == [data for _, data in events([stream], [0])]
    assert [moment for moment, _ in found] == sorted(moment for moment, _ in found)
    assert len({moment for moment, _ in found}) == len(found)


def test_events_that_came_together_have_one_moment_and_one_cut_in_three_has_the_last():
    parts = [b"data: a\n\ndata: b\n\nda", b"ta: ", b"c\n\n"]

    assert list(events(parts, [10, 20, 30])) == [(10, b"a"), (10, b"b"), (30, b"c")]


def test_nothing_is_no_event():
    assert list(events([], [])) == []
    assert list(events([b"", b": hello\n\n\n"], [1, 2])) == []
