"""Install a dependency group of pyproject.toml into .venv, in the versions that requirements-dev.txt pins.

python tools/install.py GROUP

The group `start` also creates .venv and installs the server's dependencies and this project. The file
.venv/installed-GROUP marks a finished group for make. Under a lock, since two pips would break .venv.
"""

import argparse
import fcntl
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK_FILE = ROOT / "requirements-dev.txt"


def main() -> None:
    """Install the group that the command line names, unless another process just has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    parser = argparse.ArgumentParser(prog="tools/install.py", description="Install a group into .venv.")
    parser.add_argument("group", choices=project["dependency-groups"], metavar="GROUP")
    group = parser.parse_args().group
    VENV.mkdir(exist_ok=True)
    with open(VENV / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = VENV / f"installed-{group}"
        if stamp.exists() and stamp.stat().st_mtime >= LOCK_FILE.stat().st_mtime:
            return
        print(f"installing into .venv: {group} ...", flush=True)
        if group == "start":
            _install_start(project)
        else:
            _pip("-c", LOCK_FILE, *requirements(project, group))
        # On all cores, where pip would use one. Some packages hold templates that do not compile.
        subprocess.call([PYTHON, "-m", "compileall", "-qq", "-j", "0", VENV / "lib"])
        stamp.touch()


def requirements(project: dict[str, Any], group: str) -> list[str]:
    """Return the requirements of a group, those of the groups that it includes first."""
    found: list[str] = []
    for entry in project["dependency-groups"][group]:
        found += [entry] if isinstance(entry, str) else requirements(project, entry["include-group"])
    return found


def _install_start(project: dict[str, Any]) -> None:
    if not find_spec("ensurepip"):
        sys.exit(
            f"make: {sys.executable} cannot create virtual environments; install its venv package"
            " (Debian, Ubuntu: apt install python3-venv)"
        )
    _run(sys.executable, "-m", "venv", VENV)
    tables = project["project"]
    extras = tables["optional-dependencies"]
    server = tables["dependencies"] + extras["server"] + extras["bedrock"]
    _pip("-c", LOCK_FILE, *server, *requirements(project, "start"))
    # Hatchling has just been installed, so building needs nothing that is not pinned.
    _pip("--no-deps", "--no-build-isolation", "--editable", ROOT)


def _pip(*arguments: str | Path) -> None:
    options = ("--quiet", "--disable-pip-version-check", "--no-compile")
    _run(PYTHON, "-m", "pip", "install", *options, *arguments)


def _run(*command: str | Path) -> None:
    if code := subprocess.call(command, cwd=ROOT):
        sys.exit(code)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
