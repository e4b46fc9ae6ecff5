"""Run the image's commands on this machine, which may have no container engine.

Copies the files that .dockerignore includes, sets the environment of the Dockerfile's last stage, and runs
its ENTRYPOINT as its USER. Where this process is root and has the right, the whole file system is read-only
except for /dev/shm and a folder that replaces /tmp; elsewhere only the copied files are read-only.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from webapp.settings import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
# An environment made as the Dockerfile says, if one is named; else the tests' own, which holds more packages.
VENV = Path(os.environ.get("IMAGE_VENV", sys.prefix))
LAST_STAGE = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
# Make everything read-only except separate mounts and the folder that is named first; then run the command.
SEAL = 'mount --bind "$0" "$0" && mount -o remount,ro,bind / && exec "$@"'

# The interpreter may be in root's home, so the user may read every file, but not write it.
READ_ONLY = ["--no-new-privs", "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]


def instructions(name: str) -> list[str]:
    """Return the arguments of one kind of instruction in the last stage."""
    return re.findall(rf"^{name} (.*)$", LAST_STAGE, re.MULTILINE)


def environment() -> dict[str, str]:
    """Return the last stage's ENV, with a local virtual environment instead of the image's."""
    pairs = [pair.split("=", 1) for line in instructions("ENV") for pair in shlex.split(line)]
    found = dict(pairs)
    found["PATH"] = found["PATH"].replace("/venv/bin", str(VENV / "bin"))
    return found | {"PATH": found["PATH"].replace("$PATH", os.environ["PATH"])}


def user() -> tuple[int, int]:
    (found,) = instructions("USER")
    uid, gid = found.split(":")
    return int(uid), int(gid)


def copy_into(folder: Path) -> None:
    """Copy what .dockerignore includes, without write permission."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    ignored = shutil.ignore_patterns(*(line.removeprefix("**/") for line in lines if line.startswith("**/")))
    for name in (line.removeprefix("!") for line in lines if line.startswith("!")):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode & 0o555 | 0o444)


@cache
def can_seal() -> bool:
    """Return whether this process may create a mount namespace and make it read-only."""
    if os.geteuid() != 0:
        return False
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", SEAL, "/tmp", "true"], check=False, capture_output=True
    )
    return done.returncode == 0


class Container:
    """Start the image's commands on a copy of the project in `folder`/app."""

    def __init__(self, folder: Path, settings: dict[str, str]):
        self.folder = folder
        self.app = folder / "app"
        self.tmp = folder / "tmp"
        self.app.mkdir()
        self.tmp.mkdir()
        self.tmp.chmod(0o1777)
        copy_into(self.app)
        self.environment = environment() | {"HOME": str(self.tmp), "TMPDIR": str(self.tmp)} | settings
        self._started: list[subprocess.Popen] = []

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen:
        """Do what `docker run --read-only --tmpfs /tmp IMAGE ARGUMENTS` does, with all output on stdout."""
        (entrypoint,) = instructions("ENTRYPOINT")
        uid, gid = user()
        command = [*(str(self.folder) + part for part in eval(entrypoint)), *arguments]  # a JSON list
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *READ_ONLY, *command]
        if can_seal():
            command = ["unshare", "--mount", "sh", "-c", SEAL, str(self.tmp), *command]
        process = subprocess.Popen(
            command,
            cwd="/",
            env=self.environment | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def run(self, *arguments: str, **settings: str) -> tuple[int, str]:
        """Return the exit code and output of a command that ends by itself."""
        process = self.start(*arguments, **settings)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, 9)
            process.communicate()
