import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import query
from tests.web import clean_environment
from webapp.generation import refresh_turn
from webapp.llms import LLMs
from webapp.settings import ROOT
from webapp.store import views

FLASK = Path(sys.executable).parent / "flask"
SEEDED = "Claude 3.5 Sonnet\tanthropic\tanthropic\nGPT-4o\topenai\topenai\nLlama 3.1 70B\tmeta\tmeta\n"


@pytest.fixture
def llms(app):
    """Runs `flask llms`."""
    runner = app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=["llms", *arguments])


@pytest.fixture
def listed(llms):
    return lambda *options: [line.split("\t")[0] for line in llms("list", *options).output.splitlines()]


def assert_refused(result, word):
    """Assert exit code 2 and one line on stderr that contains the word."""
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert word in result.stderr


def test_the_list_has_name_maker_and_provider(llms):
    assert llms("list").output == SEEDED
    assert llms("list", "--archived").output == ""


def test_an_added_llm_is_listed(llms):
    assert llms("add", "o5", "openai", "--provider", "azure").exit_code == 0
    assert llms("add", " R2 ", "deepseek").output == "added R2\n"

    assert "o5\topenai\tazure\n" in llms("list").output
    assert "R2\tdeepseek\tdeepseek\n" in llms("list").output


def test_an_llm_that_is_only_measured_is_not_simulated(llms, conn):
    assert llms("add", "Ours", "us", "--measured-only").exit_code == 0

    assert query(conn, "SELECT name FROM llms WHERE NOT simulated") == [("Ours",)]


def test_a_renamed_llm_is_listed_with_its_new_name(llms, listed):
    assert llms("rename", "GPT-4o", "GPT-4o (2024)").exit_code == 0

    assert "GPT-4o (2024)" in listed()


def test_an_archived_llm_can_be_restored(llms, listed):
    assert llms("archive", "GPT-4o").exit_code == 0
    assert "GPT-4o" not in listed()
    assert listed("--archived") == ["GPT-4o"]

    assert llms("restore", "GPT-4o").exit_code == 0
    assert "GPT-4o" in listed()


def test_the_name_of_an_archived_llm_is_refused_with_the_command_that_restores_it(llms, listed):
    llms("archive", "GPT-4o")

    assert_refused(llms("add", "GPT-4o", "openai"), "flask llms restore 'GPT-4o'")


def test_a_change_raises_the_generation_as_in_the_api(llms, client, conn):
    before = views.generation(conn)
    client.get("/api/v1/llms")

    llms("archive", "GPT-4o")

    conn.rollback()
    assert views.generation(conn) == before + 1
    assert len(client.get("/api/v1/llms").json["llms"]) == 2


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["add", "GPT-4o", "openai"], "another LLM has that name"),
        (["add", "", "openai"], "name"),
        (["add", "x", "a\nb"], "company_name"),
        (["add", "x" * 201, "a"], "200"),
        (["add", "x", "a", "--provider", " "], "provider"),
        (["rename", "nope", "x"], "unknown LLM"),
        (["rename", "GPT-4o", "Llama 3.1 70B"], "another LLM has that name"),
        (["rename", "GPT-4o", "a\x1bb"], "name"),
        (["archive", "nope"], "unknown LLM"),
        (["restore", "\udcff"], "name"),
    ],
)
def test_an_invalid_argument_is_reported_in_one_line(llms, arguments, word):
    assert_refused(llms(*arguments), word)
    assert llms("list").output == SEEDED


def test_an_unreachable_database_is_reported_in_one_line(make_app, folder):
    runner = make_app(postgres_host=str(folder / "nowhere")).test_cli_runner()

    assert_refused(runner.invoke(args=["llms", "list"]), "database")
    assert_refused(runner.invoke(args=["llms", "add", "x", "y"]), "database")


def test_it_is_a_subcommand_of_flask(environment):
    done = subprocess.run(
        [FLASK, "llms", "list"], cwd=ROOT, env={**clean_environment(), **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, SEEDED)


def test_a_database_without_migrations_is_reported_with_the_command_that_runs_them(make_app, own_database):
    runner = make_app(**own_database).test_cli_runner()

    assert_refused(runner.invoke(args=["llms", "list"]), "run-migrations")


def test_a_running_refresh_that_takes_too_long_is_reported_as_such(app, llms, conn):
    app.extensions["llms"] = LLMs(app.extensions["settings"], app.extensions["redis"], wait_s=0.1)

    with refresh_turn(conn):
        assert_refused(llms("add", "o5", "openai"), "another change is in progress")
