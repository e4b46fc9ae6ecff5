import csv
import io
from dataclasses import replace

import pytest
from rich.console import Console

from llm_measure.endpoints import Endpoint
from llm_measure.load.traces import TraceFacts
from llm_measure.report.csv import as_csv
from llm_measure.report.document import document
from llm_measure.report.tables import PIPE_WIDTH, print_tables
from llm_measure.results import LevelResult
from llm_measure.workloads import Load, Workload
from tests.measured import SECOND, answered, failed, level


def printed(result: LevelResult, width: int = PIPE_WIDTH) -> str:
    file = io.StringIO()
    levels = document(Endpoint("http://x/v1", "m"), Workload(), [result])["levels"]
    print_tables(levels, Console(file=file, width=width))
    return file.getvalue()


def test_a_level_has_a_title_a_row_per_metric_and_a_line_per_error():
    shown = printed(
        level([answered(0), answered(1, ttft=1.23456), failed(2), failed(3, "cancelled", "stop")])
    )

    lines = shown.splitlines()
    assert lines[0].strip() == "concurrency 8: 4 requests, 1 failed, 4.0 s"
    (ttft,) = [line.split("│")[1:-1] for line in lines if "│ ttft " in line]
    assert [cell.strip() for cell in ttft][:4] == ["ttft", "s", "2", "0.7173"]
    assert "1 x timeout: no answer within 60 s" in lines
    assert "1 x cancelled: stop" in lines


def test_a_level_that_was_interrupted_is_marked():
    assert "Interrupted after 1.0 s: " not in printed(level([answered(0)]))
    assert "Interrupted after 1.0 s: " in printed(replace(level([answered(0)]), stopped=True))


def test_on_a_narrow_terminal_fewer_figures_are_shown_and_none_is_cut():
    lines = printed(level([answered(index, ttft=1.23456) for index in range(1000)]), width=80).splitlines()

    (header,) = [line for line in lines if "┃" in line]
    assert [cell.strip() for cell in header.split("┃")[1:-1]] == [
        "metric",
        "unit",
        "n",
        "mean",
        "p50",
        "p99",
    ]
    assert not any("…" in line for line in lines)


def test_messages_come_before_the_figures_and_what_went_wrong_comes_first():
    record = answered(0)
    record.token_source, record.pause_ns = "chunks", SECOND
    shown = printed(level([record, failed(1)], "the client was the limit"))

    beginnings = (
        "concurrency 8",
        "not valid",
        "1 x timeout",
        "1 of 2 requests",
        "Rates per",
        "Token counts",
        "┏",
    )
    found = [shown.index(beginning) for beginning in beginnings]
    assert found == sorted(found)


def test_another_model_that_answered_is_mentioned_and_cannot_control_the_terminal():
    records = [answered(0), answered(1), answered(2)]
    for record, model in zip(records, ("gpt\x1b[2J[bold]", None, None), strict=True):
        record.answered_by = model
    shown = printed(level(records))

    assert r"1 of 3 requests were answered by another model: gpt\x1b[2J[bold]." in shown
    records[0].answered_by = None
    assert "another model" not in printed(level(records))


def test_repeated_prompts_of_a_dataset_are_mentioned():
    result = level([answered(0), answered(1)])
    assert "repeat a prompt" not in printed(result)

    assert "1 of 2 requests repeat a prompt" in printed(replace(result, repeated_prompts=1))


def test_pauses_that_the_endpoint_asked_for_are_mentioned():
    refused = failed(1, "rate_limited", "429: slow down")
    assert "Retry-After" not in printed(level([answered(0), refused]))

    refused.pause_ns = 3 * SECOND // 2
    asked = "Requests that the endpoint asked to be sent again later (Retry-After): 1; "
    assert f"{asked}their streams waited 1.5 s in all." in printed(level([answered(0), refused]))
    at_a_rate = replace(level([answered(0), refused]), load=Load(rate=1, requests=2))
    assert f"{asked}an open loop does not wait." in printed(at_a_rate)


def test_a_trace_has_its_speed_its_format_and_what_was_left_out():
    result = level([answered(0), answered(1)])
    replayed = replace(result, load=Load(speed=2.5), trace=TraceFacts("burstgpt", 12_000, 340))

    shown = printed(replayed)
    assert "trace at 2.5x: 2 requests, 0 failed" in shown
    assert (
        "2 requests of 12,000 in a trace as BurstGPT has it, 340 of them left out as failed; p99 of their"
        " delay by the client: 0.5 ms.\n"
    ) in shown
    assert "Offered 1 requests/s, achieved 1 requests/s." in shown


def test_a_level_that_is_not_valid_says_why():
    assert "not valid: the client [bold]was" in printed(
        level([answered(0)], "the client [bold]was the limit")
    )


def test_a_reason_from_outside_cannot_control_the_terminal():
    assert r"not valid: \x1b[2J\u202e" in printed(level([answered(0)], "\x1b[2J\u202e"))


def test_estimated_token_counts_are_mentioned():
    record = answered(0)
    assert "estimates" not in printed(level([record]))

    record.token_source = "chunks"
    assert "Token counts are estimates" in printed(level([record]))


def test_chunks_that_came_together_are_mentioned():
    shown = printed(level([answered(0, itl=0.0), *(answered(index) for index in (1, 2, 3))]))

    assert "itl is not ranked: 25% of the chunks came together with the one before." in shown
    assert "together" not in printed(level([answered(0)]))


def test_the_span_of_the_rates_is_stated():
    shown = printed(level([answered(index) for index in range(4)]))

    assert "Rates per second are over 4.0 s, from 0.0 s to 4.0 s of the level." in shown


def test_a_level_at_a_rate_says_whether_the_endpoint_kept_up():
    behind = [answered(index, ttft=float(index)) for index in range(1, 13)]
    result = replace(level(behind), load=Load(rate=1, requests=12))

    shown = printed(result)

    assert (
        "Offered 1 requests/s, achieved 0.5 requests/s; saturated: the answers fell behind the requests."
        in shown
    )
    assert "rps is not ranked: the load sets it." in shown
    kept_up = replace(result, records=[answered(index) for index in range(12)])
    assert "saturated" not in printed(kept_up)


def test_large_and_unknown_figures_are_short():
    record = answered(0)
    record.output_tokens = 10_000_000
    shown = printed(level([record]))

    assert "10,000,000" in shown
    (attainment,) = [line.split("│")[1:-1] for line in shown.splitlines() if " slo_attainment " in line]
    assert [cell.strip() for cell in attainment][2:] == ["0", *["-"] * 8]


def test_what_was_asked_for_counted_and_seen_is_stated():
    lines = printed(level([answered(0), answered(1)])).splitlines()

    assert "Prompt tokens: 256 asked, 256 counted, 50% of them cached." in lines
    assert "Output tokens: 256 asked, 10 counted, 10 seen in 10 chunks." in lines
    assert "Finish reasons: length 2." in lines
    assert "The client waited 0.12 s for a processor. Moments are by the kernel's clock." in lines


def test_without_an_answer_there_are_no_tokens_to_speak_of():
    assert "tokens:" not in printed(level([failed(0)]))


def test_a_finish_reason_cannot_control_the_terminal():
    record = answered(0)
    record.finish_reason = "\x1b[2J[bold]"

    assert r"Finish reasons: \x1b[2J[bold] 1." in printed(level([record]))


def test_that_tls_was_not_verified_is_stated_in_each_report():
    insecure = replace(level([answered(0)]), transport={"insecure": True})
    (found,) = document(Endpoint("https://x/v1", "m", insecure=True), Workload(), [insecure])["levels"]

    assert found["transport"] == {"insecure": True}
    assert "TLS was not verified (insecure)" in printed(insecure)
    row = next(csv.DictReader(io.StringIO(as_csv([found]))))
    assert (row["valid"], row["insecure"]) == ("true", "true")


def test_warnings_come_before_the_figures():
    shown = printed(level([answered(0)]))

    assert 0 < shown.index("p99 is of only 1 requests") < shown.index("┏")


def test_quantiles_have_their_intervals_if_the_terminal_is_wide_enough():
    result = level([answered(index, ttft=(index + 1) / 100) for index in range(10)])

    assert "0.05 (0.02-0.09)" in printed(result)
    assert "0.02-0.09" not in printed(result, width=70)


@pytest.mark.parametrize("width", [90, 110, 140, 190, PIPE_WIDTH])
def test_no_figure_is_cut(width):
    records = [answered(index, ttft=0.12345 + index / 9876, itl=0.00012345) for index in range(400)]

    assert "…" not in printed(level(records), width=width)


def test_several_levels_are_compared_in_a_line_each():
    slow = level([answered(0, ttft=0.75), failed(1)], "the client was the limit")
    file = io.StringIO()
    results = [level([answered(0)]), replace(slow, load=Load(concurrency=16, requests=2))]
    levels = document(Endpoint("http://x/v1", "m"), Workload(), results)["levels"]
    print_tables(levels, Console(file=file, width=80))

    *_, head, _, first, second = file.getvalue().splitlines()

    assert head.split() == ["concurrency", "rps", "tokens/s", "p50", "p99", "p50", "p99", "failed", "valid"]
    assert first.split() == ["8", "1", "5", "0.2", "0.2", "0.01", "0.01", "0", "yes"]
    assert second.split() == ["16", "0.5", "2.5", "0.75", "0.75", "0.01", "0.01", "1", "no"]
    assert "concurrency  " not in printed(level([answered(0)]))
