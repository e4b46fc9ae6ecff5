"""`make env`: which secrets it fills in .env, and that everything else stays as it is."""

import os
import shutil
import subprocess
import sys
from io import StringIO

import pytest
from dotenv import dotenv_values

from tools.env import SECRETS, fill
from webapp.settings import ROOT

EXAMPLE = (ROOT / ".env.example").read_text()


@pytest.fixture
def project(tmp_path):
    """A folder with what tools/env.py needs of the project."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "env.py", tmp_path / "tools")
    shutil.copy(ROOT / ".env.example", tmp_path)
    return tmp_path


def run(project, *names, check=True):
    # -S: no installed packages.
    command = [sys.executable, "-S", project / "tools" / "env.py", *names]
    return subprocess.run(command, check=check, capture_output=True, text=True)


def read(text):
    return dotenv_values(stream=StringIO(text))


def test_a_new_file_is_the_example_with_all_secrets(project):
    output = run(project).stdout

    values = dotenv_values(project / ".env")
    assert all(len(values[name]) >= 32 for name in SECRETS)
    assert len({values[name] for name in SECRETS}) == len(SECRETS)
    assert {**values, **dict.fromkeys(SECRETS, "")} == read(EXAMPLE)
    assert output == f"wrote .env: new {', '.join(SECRETS)}\n"
    assert not any(values[name] in output for name in SECRETS)


def test_only_its_owner_may_read_the_file(project):
    run(project)
    assert (project / ".env").stat().st_mode & 0o777 == 0o600

    (project / ".env").chmod(0o644)
    run(project)
    assert (project / ".env").stat().st_mode & 0o777 == 0o600


def test_a_second_time_changes_nothing(project):
    run(project)
    before = (project / ".env").read_bytes(), (project / ".env").stat().st_mtime_ns

    assert run(project).stdout == ".env is complete\n"
    assert ((project / ".env").read_bytes(), (project / ".env").stat().st_mtime_ns) == before


def test_only_the_named_secrets_are_filled(project):
    run(project, "API_KEY", "SECRET_KEY")

    values = dotenv_values(project / ".env")
    assert {name for name in SECRETS if values[name]} == {"API_KEY", "SECRET_KEY"}


def test_existing_lines_stay_as_they_are(project):
    text = "# mine\nAPI_KEY='a # \"b\"'\n\nexport SEED=7  # fixed\nOTHER_KEY=x=$Y\nSECRET_KEY=\nlast"
    (project / ".env").write_text(text)
    run(project, "API_KEY", "SECRET_KEY")

    secret = dotenv_values(project / ".env")["SECRET_KEY"]
    assert len(secret) >= 32
    assert (project / ".env").read_text() == text.replace("SECRET_KEY=", f"SECRET_KEY={secret}")


@pytest.mark.parametrize("line", ["API_KEY=", 'API_KEY=""', "API_KEY=''", "API_KEY =  ", "export API_KEY="])
def test_an_empty_value_is_filled_in_its_line(line):
    text, filled = fill(f"SEED=1\n{line}\nPORT=2\n", ["API_KEY"])

    assert filled == ["API_KEY"]
    assert len(read(text)["API_KEY"]) >= 32
    assert len(text.splitlines()) == 3


def test_a_comment_after_an_empty_value_is_kept():
    text, _ = fill("API_KEY=   # who may read\n", ["API_KEY"])

    assert text.endswith(" # who may read\n")
    assert len(read(text)["API_KEY"]) >= 32


@pytest.mark.parametrize("value", ["1234", "'1234'", '"12 34"', "#hash", "1234 # comment"])
def test_a_value_that_is_set_stays(value):
    assert fill(f"API_KEY={value}\n", ["API_KEY"]) == (f"API_KEY={value}\n", [])


def test_the_last_of_several_assignments_counts():
    assert fill("API_KEY=\nAPI_KEY=1234\n", ["API_KEY"]) == ("API_KEY=\nAPI_KEY=1234\n", [])

    text, filled = fill("API_KEY=1234\nAPI_KEY=\n", ["API_KEY"])
    assert filled == ["API_KEY"]
    assert text.startswith("API_KEY=1234\nAPI_KEY=")


def test_a_missing_secret_is_appended_with_the_files_line_endings():
    text, _ = fill("API_KEY=1234\r\nSEED=1", ["SECRET_KEY"])

    assert text.startswith("API_KEY=1234\r\nSEED=1\r\nSECRET_KEY=")
    assert text.endswith("\r\n")


def test_a_commented_out_assignment_does_not_count():
    assert fill("# API_KEY=1234\n", ["API_KEY"])[1] == ["API_KEY"]


@pytest.mark.parametrize("host", ["db.example.com", "'cache'", "/run/postgresql"])
def test_the_password_of_your_own_server_may_be_empty(host):
    names = ["POSTGRES_PASSWORD", "REDIS_PASSWORD"]

    assert fill(f"POSTGRES_HOST={host}\nREDIS_HOST=\n", names)[1] == ["REDIS_PASSWORD"]
    assert fill(f"POSTGRES_HOST=postgres\nREDIS_HOST={host}\n", names)[1] == ["POSTGRES_PASSWORD"]


@pytest.mark.parametrize("setting", ["REDIS_URL='rediss://cache/0'", "REDIS_SENTINELS=a:26379,b:26379"])
def test_a_url_or_sentinels_name_your_own_server_too(setting):
    names = ["POSTGRES_PASSWORD", "REDIS_PASSWORD"]

    assert fill(f"{setting}\n", names)[1] == ["POSTGRES_PASSWORD"]
    assert fill("DATABASE_URL=postgresql://db/name\n", names)[1] == ["REDIS_PASSWORD"]


def test_bytes_that_are_not_utf_8_survive(project):
    (project / ".env").write_bytes(b"NAME=caf\xe9\nAPI_KEY=\n")
    run(project, "API_KEY")

    assert (project / ".env").read_bytes().startswith(b"NAME=caf\xe9\nAPI_KEY=")


def test_a_link_stays_a_link(project):
    (project / "elsewhere").mkdir()
    target = project / "elsewhere" / "env"
    (project / ".env").symlink_to(target)
    run(project)

    assert (project / ".env").is_symlink()
    assert len(dotenv_values(target)["API_KEY"]) >= 32


def test_processes_at_the_same_time_agree_on_the_secrets(project):
    command = [sys.executable, project / "tools" / "env.py"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    outputs = [process.communicate(timeout=30)[0] for process in started]

    assert sorted(output.startswith("wrote") for output in outputs) == [False] * 5 + [True]
    assert {path.name for path in project.iterdir()} == {"tools", ".env", ".env.example"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_line(project):
    project.chmod(0o555)
    done = run(project, check=False)
    project.chmod(0o755)

    assert done.returncode == 1
    assert done.stderr.startswith("make env: ")
    assert done.stderr.count("\n") == 1
