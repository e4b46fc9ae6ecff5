"""The Makefile: targets that need only a fresh clone, and how `make tests` runs pytest."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from webapp.settings import ROOT

# Finds no tests of moments, as pytest reports with code 5, unless the environment says otherwise.
PYTEST = """\
#!/bin/sh
printf '%s\\n' "$*" >> pytest.log
case "$*" in
    *"not moments"*) exit "${OTHERS:-0}" ;;
    *) exit "${MOMENTS:-5}" ;;
esac
"""


@pytest.fixture
def clone(tmp_path):
    """A fresh clone, as far as these targets need it."""
    for name in ("Makefile", ".env.example", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    return tmp_path


def make(folder, *arguments, **environment):
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={**os.environ, "MAKEFLAGS": "--no-print-directory", **environment},
        check=False,
        capture_output=True,
        text=True,
    )


def test_help_lists_every_target(clone):
    makefile = (clone / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)", makefile, re.MULTILINE)

    listed = [line.split()[0] for line in make(clone, "help").stdout.splitlines()]
    assert sorted(listed) == sorted(phony.replace("\\\n", " ").split())


def test_env_runs_on_a_fresh_clone_and_a_second_time_changes_nothing(clone):
    assert make(clone, "-j4", "env", "help").returncode == 0
    first = (clone / ".env").read_text()

    assert make(clone, "env").stdout == ".env is complete\n"
    assert (clone / ".env").read_text() == first
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize("target", ["start", "start-benchmark", "start-simulator", "run-migrations", "env"])
def test_whatever_reads_a_copied_env_file_first_hides_it_from_others(clone, target):
    shutil.copy(clone / ".env.example", clone / ".env")
    (clone / ".env").chmod(0o644)
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "flask").symlink_to("/bin/true")
    python = clone / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\ncase $1 in tools/*) exec {sys.executable} "$@" ;; esac\n')
    python.chmod(0o755)

    assert make(clone, "-o", ".venv/installed-start", target).returncode == 0
    assert (clone / ".env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("environment", "calls", "passes"),
    [
        ({}, 2, True),
        ({"MOMENTS": "0"}, 2, True),
        ({"MOMENTS": "1"}, 2, False),
        ({"OTHERS": "1"}, 1, False),
    ],
)
def test_tests_of_moments_run_alone_after_the_others_and_may_be_absent(clone, environment, calls, passes):
    put_pytest(clone)
    installed = ("-o", ".venv/installed-start", "-o", ".venv/installed-tests")

    assert (make(clone, *installed, "PROCESSES=3", "tests", **environment).returncode == 0) == passes
    assert (clone / "pytest.log").read_text().splitlines() == ["-n 3 -m not moments", "-m moments"][:calls]


def test_tests_in_a_browser_run_in_as_many_processes_as_asked(clone):
    put_pytest(clone)
    installed = ("-o", ".venv/installed-start", "-o", ".venv/installed-e2e")

    given = ("CHROMIUM=/bin/true", "E2E_PROCESSES=0", "tests-e2e")
    assert make(clone, *installed, *given, MOMENTS="0").returncode == 0
    assert (clone / "pytest.log").read_text() == "-n 0 tests/e2e\n"


def put_pytest(clone):
    path = clone / ".venv" / "bin" / "pytest"
    path.parent.mkdir(parents=True)
    path.write_text(PYTEST)
    path.chmod(0o755)
