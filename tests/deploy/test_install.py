"""What make installs: groups, their pinned versions, and that installations take turns."""

import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from tools.install import requirements
from webapp.settings import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
MAKEFILE = (ROOT / "Makefile").read_text()
# Runs tools/install.py, but only writes down what else it is asked to run; fails if another one is running.
PYTHON = f"""#!{sys.executable}
import fcntl, os, runpy, sys, time
if sys.argv[1].endswith("install.py"):
    sys.argv = sys.argv[1:]
    sys.executable = __file__
    runpy.run_path(sys.argv[0], run_name="__main__")
else:
    with open("pip.lock", "w") as lock, open("pip.log", "a") as log:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(0.2)
        log.write(" ".join(sys.argv[1:]) + "\\n")
"""


def pinned(name):
    """The lines of a lock file, without comments."""
    lines = (ROOT / name).read_text().splitlines()
    return {line for line in lines if line and not line.lstrip().startswith("#")}


def names(requirements):
    return {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in requirements}


def test_the_command_needs_nothing_of_the_server():
    assert names(PROJECT["project"]["dependencies"]) == {
        "click", "h2", "httptools", "jsonschema", "msgspec", "numpy", "pyyaml", "rich", "uvloop",
    }  # fmt: skip


def test_the_server_has_the_same_versions_as_its_tests():
    server = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["server"]

    assert pinned("requirements.txt") < pinned("requirements-dev.txt")
    assert names(server) <= names(pinned("requirements.txt"))


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_is_pinned(group):
    assert names(requirements(PROJECT, group)) <= names(pinned("requirements-dev.txt"))


def test_every_group_that_make_installs_exists():
    wanted = set(re.findall(r"\.venv/installed-(\w+)", MAKEFILE))

    assert wanted <= set(GROUPS)
    assert set(GROUPS) - wanted == {"pytest", "dev"}  # which are parts of others


@pytest.fixture
def clone(tmp_path):
    """The Makefile with a virtual environment whose pip only writes down what it is asked to install."""
    for name in ("Makefile", "pyproject.toml", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "install.py", tmp_path / "tools")
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").write_text(PYTHON)
    for name in ("ruff", "mypy", "lint-imports", "pytest"):
        (binaries / name).write_text("#!/bin/sh\n")
    for path in binaries.iterdir():
        path.chmod(0o755)
    return tmp_path


def make(clone, *arguments):
    command = ["make", "-o", ".venv/installed-start", *arguments]
    return subprocess.Popen(command, cwd=clone, env={**os.environ, "MAKEFLAGS": ""}, stderr=subprocess.PIPE)


def installed(clone):
    return [
        line for line in (clone / "pip.log").read_text().splitlines() if line.startswith("-m pip install")
    ]


def test_parallel_targets_install_one_after_the_other(clone):
    done = make(clone, "-j4", "lint", "tests", "check-deploy")
    _, errors = done.communicate(timeout=60)

    assert b"BlockingIOError" not in errors
    assert len(installed(clone)) == 3
    assert (clone / ".venv" / "installed-lint").exists()


def test_two_makes_install_a_group_once(clone):
    started = [make(clone, "lint") for _ in range(3)]
    for process in started:
        assert process.communicate(timeout=60)[1] == b""

    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(installed(clone)) == 1


def test_a_group_is_installed_again_after_a_new_lock(clone):
    make(clone, "lint").communicate(timeout=60)
    later = (clone / ".venv" / "installed-lint").stat().st_mtime + 1
    os.utime(clone / "requirements-dev.txt", (later, later))
    make(clone, "lint").communicate(timeout=60)

    assert len(installed(clone)) == 2
