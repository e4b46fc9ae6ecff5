from llm_measure.metrics import METRICS
from tests.llm_measure.cli.command import invoke


def test_every_metric_is_explained_with_what_three_other_tools_mean():
    shown = invoke("explain").stdout

    paragraphs = shown.split("\n\n")
    assert len(paragraphs) == len(METRICS)
    for metric, paragraph in zip(METRICS, paragraphs, strict=True):
        assert paragraph.startswith(f"{metric.name} [{metric.unit.symbol}]: {metric.title}. ")
        for tool in ("vLLM", "GuideLLM", "AIPerf"):
            assert f"\n  {tool}: " in paragraph


def test_named_metrics_are_explained_in_the_order_of_their_names():
    shown = invoke("explain", "tps", "ttft").stdout

    assert [paragraph.split()[0] for paragraph in shown.split("\n\n")] == ["tps", "ttft"]


def test_an_unknown_metric_is_reported_with_the_known_ones():
    done = invoke("explain", "ttft", "speed")

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"Error: metric 'speed': unknown; expected one of {', '.join(METRICS.names)}\n"
