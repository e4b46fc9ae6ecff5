import subprocess
import sys
from pathlib import Path

import pytest

from tests.factories import add_llm
from tests.support import query
from tests.web import clean_environment
from tests.webapp.cli.refusal import assert_refused
from webapp import generation
from webapp.llms import LLMs
from webapp.settings import ROOT
from webapp.store import views

FLASK = Path(sys.executable).parent / "flask"
SEEDED = "Claude 3.5 Sonnet\tanthropic\tanthropic\nGPT-4o\topenai\topenai\nLlama 3.1 70B\tmeta\tmeta\n"


@pytest.fixture
def llms(flask):
    """Runs `flask llms ARGUMENTS...`."""
    return lambda *arguments: flask("llms", *arguments)


@pytest.fixture
def listed(llms):
    """Returns the names that `flask llms list` prints."""
    return lambda *options: [line.split("\t")[0] for line in llms("list", *options).output.splitlines()]


def test_the_list_has_name_maker_and_provider(llms):
    assert llms("list").output == SEEDED
    assert llms("list", "--archived").output == ""


def test_a_name_cannot_control_the_terminal(llms, conn):
    with conn:
        add_llm(conn, "\x1b[2J\u202ea\tb")

    assert r"\x1b[2J\u202ea\tb" in llms("list").output


def test_an_added_llm_is_listed(llms):
    assert llms("add", "o5", "openai", "--provider", "azure").exit_code == 0
    assert llms("add", " R2 ", "deepseek").output == "added R2\n"

    assert "o5\topenai\tazure\n" in llms("list").output
    assert "R2\tdeepseek\tdeepseek\n" in llms("list").output


def test_an_llm_added_as_measured_only_is_not_simulated(llms, conn):
    assert llms("add", "Ours", "us", "--measured-only").exit_code == 0

    assert query(conn, "SELECT name FROM llms WHERE NOT simulated") == [("Ours",)]


def test_a_renamed_llm_has_its_new_name(llms, listed):
    assert llms("rename", "GPT-4o", "GPT-4o (2024)").exit_code == 0

    assert "GPT-4o (2024)" in listed()


def test_an_archived_llm_is_listed_again_once_restored(llms, listed):
    assert llms("archive", "GPT-4o").exit_code == 0
    assert "GPT-4o" not in listed()
    assert listed("--archived") == ["GPT-4o"]

    assert llms("restore", "GPT-4o").exit_code == 0
    assert "GPT-4o" in listed()


def test_a_change_raises_the_generation_as_the_api_does(llms, client, conn):
    before = views.generation(conn)
    client.get("/api/v1/llms")

    llms("archive", "GPT-4o")

    conn.rollback()
    assert views.generation(conn) > before
    assert len(client.get("/api/v1/llms").json["llms"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "GPT-4o", "openai"], "name='GPT-4o': another LLM has that name"),
        (["add", "", "openai"], "name"),
        (["add", "x", "a\nb"], "company_name"),
        (["add", "x" * 201, "a"], "200"),
        (["add", "x", "a", "--provider", " "], "provider"),
        (["rename", "nope", "x"], "llm='nope': unknown LLM; see flask llms list"),
        (["rename", "GPT-4o", "Llama 3.1 70B"], "name='Llama 3.1 70B': another LLM has that name"),
        (["rename", "GPT-4o", "a\x1bb"], "name"),
        (["archive", "nope"], "llm='nope': unknown LLM"),
        (["restore", "\udcff"], "name"),
        (["add"], "Missing argument 'NAME'"),
        (["list", "--all"], "--all"),
    ],
)
def test_a_wrong_argument_is_reported_in_one_line(llms, arguments, message):
    assert_refused(llms(*arguments), message)
    assert llms("list").output == SEEDED


@pytest.mark.parametrize("taken", [["add", "it's old", "openai"], ["rename", "GPT-4o", "it's old"]])
def test_the_name_of_an_archived_llm_is_refused_with_the_command_that_restores_it(llms, listed, taken):
    llms("add", "it's old", "us")
    llms("archive", "it's old")

    refused = llms(*taken)

    assert_refused(refused, "an archived LLM has that name; restore it with: flask llms restore ")
    command = refused.stderr.partition("with: ")[2].strip()
    subprocess.run(["sh", "-c", f'set -- {command}; [ "$4" = "it\'s old" ]'], check=True)
    assert "it's old" not in listed()


def test_an_unreachable_database_is_reported_in_one_line(make_app, folder):
    runner = make_app(postgres_host=str(folder / "nowhere")).test_cli_runner()

    assert_refused(runner.invoke(args=["llms", "list"]), "database: ", "nowhere")
    assert_refused(runner.invoke(args=["llms", "add", "x", "y"]), "database: ", "nowhere")


def test_a_database_without_migrations_is_reported_with_the_remedy(make_app, own_database):
    runner = make_app(**own_database).test_cli_runner()

    assert_refused(runner.invoke(args=["llms", "list"]), "not migrated; run make run-migrations")


def test_it_is_a_command_of_flask(environment):
    done = subprocess.run(
        [FLASK, "llms", "list"], cwd=ROOT, env={**clean_environment(), **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, SEEDED)


def test_a_change_that_must_wait_too_long_for_another_is_refused(app, llms, settings, redis, conn):
    app.extensions["llms"] = LLMs(settings, redis, wait_s=0.1)

    with generation.change(conn, redis):
        assert_refused(llms("archive", "GPT-4o"), "another change is in progress")
