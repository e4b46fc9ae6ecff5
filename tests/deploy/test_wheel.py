"""The distribution llm-measure: what its wheel and sdist hold, and that it runs in an empty environment."""

import json
import subprocess
import sys
import tarfile
from email.parser import Parser
from zipfile import ZipFile

import pytest

from llm_measure import __version__
from webapp.settings import ROOT

MOST_BYTES = 500_000
OWN_DEPENDENCIES = {"click", "h2", "httptools", "jsonschema", "msgspec", "numpy", "pyyaml", "rich", "uvloop"}
SERVER_ONLY = {"flask", "psycopg2-binary", "redis", "rq", "sqlalchemy", "werkzeug"}
METADATA = f"llm_measure-{__version__}.dist-info"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(ROOT, sys.executable, "-m", "hatchling", "build", "-d", folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


def run(folder, *command):
    """The output of a command that must succeed in the folder."""
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_library_alone(wheel):
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())

    assert {name.split("/")[0] for name in names} == {"llm_measure", METADATA}
    assert {"llm_measure/__init__.py", "llm_measure/py.typed"} <= names
    assert wheel.name == f"llm_measure-{__version__}-py3-none-any.whl"
    assert wheel.stat().st_size < MOST_BYTES


def test_the_sdist_holds_the_library_alone(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/")[1] for name in archive.getnames()}

    assert names == {"llm_measure", "pyproject.toml", "README.md", "PKG-INFO", ".gitignore"}


def test_the_servers_dependencies_are_an_extra(wheel):
    with ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read(f"{METADATA}/METADATA").decode())

    assert (metadata["Name"], metadata["Version"]) == ("llm-measure", __version__)
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_all("Provides-Extra") == ["bedrock", "plot", "server"]
    needed = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert {line.split(";")[0].strip() for line in needed} == OWN_DEPENDENCIES


def test_the_command_runs_in_an_empty_environment_without_the_servers_packages(wheel, tmp_path):
    run(tmp_path, sys.executable, "-m", "venv", "fresh")
    python = tmp_path / "fresh" / "bin" / "python"
    run(tmp_path, python, "-m", "pip", "install", "--quiet", "-c", ROOT / "requirements.txt", wheel)

    packages = json.loads(run(tmp_path, python, "-m", "pip", "list", "--format", "json"))
    names = {package["name"].lower().replace("_", "-") for package in packages}
    assert names >= {"llm-measure", *OWN_DEPENDENCIES}
    assert not names & SERVER_ONLY
    for command in ([python.parent / "llm-measure"], [python, "-m", "llm_measure"]):
        assert run(tmp_path, *command, "--version").split()[-1] == __version__


def test_nothing_suggests_the_distribution_of_another_project():
    found = subprocess.run(
        ["git", "grep", "-nE", r"(pip|pipx|uv|uvx)( [a-z-]+)* llm[-_]benchmark"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert found.stdout == ""
