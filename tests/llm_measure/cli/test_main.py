import sys

import pytest

from llm_measure import __version__
from tests.llm_measure.cli.command import invoke
from tests.llm_measure.interpreter import run_python

SERVER_PACKAGES = {"webapp", "jobs", "flask", "sqlalchemy", "psycopg2", "redis", "rq"}


def test_the_version_is_that_of_the_package():
    assert invoke("--version").stdout == f"llm-measure, version {__version__}\n"


def test_help_lists_the_commands():
    shown = invoke("--help").stdout

    for command in ("run", "mock-server", "explain"):
        assert f"\n  {command} " in shown


def test_without_a_command_it_shows_its_help():
    assert invoke().stderr.startswith("Usage:")


@pytest.mark.parametrize("arguments", [["nope"], ["--nope"], ["run", "--nope"], ["explain", "--nope"]])
def test_an_unknown_command_or_option_is_reported_in_one_line(arguments):
    done = invoke(*arguments)

    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "nope" in line


def test_an_unknown_command_is_answered_with_the_known_ones():
    assert "Expected one of run, check, detect, mock-server, explain." in invoke("measure").stderr


def test_it_runs_as_a_module():
    assert run_python("-m", "llm_measure", "--version").stdout == f"llm-measure, version {__version__}\n"


def test_bash_gets_a_completion_script():
    script = run_python("-m", "llm_measure", _LLM_MEASURE_COMPLETE="bash_source").stdout

    assert "complete -o nosort -F _llm_measure_completion llm-measure" in script


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("llm-measure r", ["run"]),
        ("llm-measure explain t", ["ttft", "tps", "ttfa", "tpot", "total_throughput"]),
        ("llm-measure run --api c", ["chat", "completions"]),
        ("llm-measure run --form", ["--format"]),
    ],
)
def test_commands_options_metrics_and_apis_are_completed(words, completions):
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = run_python("-m", "llm_measure", _LLM_MEASURE_COMPLETE="bash_complete", **asked)

    assert done.stdout.splitlines() == [f"plain,{completion}" for completion in completions]


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a statement loads in a new interpreter."""
    done = run_python("-c", f"import sys; {statement}; print(*sys.modules)")
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_help_and_version_load_nothing_but_click():
    found = loaded_by("import llm_measure.cli")

    assert found - set(sys.stdlib_module_names) - loaded_by("pass") == {"click", "llm_measure"}


def test_measuring_loads_nothing_of_the_server():
    found = loaded_by(
        "import llm_measure.cli.levels, llm_measure.measuring, llm_measure.mock_server.process,"
        " llm_measure.report.reading, llm_measure.stats.histogram, llm_measure.stats.ranks"
    )

    assert found.isdisjoint(SERVER_PACKAGES)


def test_reading_the_metrics_loads_no_client():
    assert loaded_by("import llm_measure.metrics").isdisjoint({"asyncio", "httptools", "rich", "uvloop"})
