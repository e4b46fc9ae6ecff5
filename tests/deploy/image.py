"""The image's steps replayed on this machine, since no container engine can be counted on.

The files that .dockerignore lets through are copied, the environment of the Dockerfile's last stage is set,
and its ENTRYPOINT is run as its USER. Where this process is root and may, the whole file system is read-only
but for /dev/shm and a folder that stands in for /tmp; elsewhere only the copied files are.
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
# One that was made as the Dockerfile says, if named; else that of the tests, which has more in it.
VENV = Path(os.environ.get("IMAGE_VENV", sys.prefix))
LAST_STAGE = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
# For what is started so, all is read-only but what is mounted apart; as is the folder that is named first.
SEAL = 'mount --bind "$0" "$0" && mount -o remount,ro,bind / && exec "$@"'

# The interpreter may lie in root's home, so the user may read, but not write, what is closed to it.
READ_ONLY = ["--no-new-privs", "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]


def instructions(name: str) -> list[str]:
    """What the last stage says by one kind of instruction."""
    return re.findall(rf"^{name} (.*)$", LAST_STAGE, re.MULTILINE)


def environment() -> dict[str, str]:
    """The last stage's ENV, with a virtual environment that is here in the place of the image's."""
    pairs = [pair.split("=", 1) for line in instructions("ENV") for pair in shlex.split(line)]
    found = dict(pairs)
    found["PATH"] = found["PATH"].replace("/venv/bin", str(VENV / "bin"))
    return found | {"PATH": found["PATH"].replace("$PATH", os.environ["PATH"])}


def user() -> tuple[int, int]:
    (found,) = instructions("USER")
    uid, gid = found.split(":")
    return int(uid), int(gid)


def copy_into(folder: Path) -> None:
    """Copy what .dockerignore lets through, as nobody may change it."""
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
    """Whether this process may make a file system of its own view and seal it."""
    if os.geteuid() != 0:
        return False
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", SEAL, "/tmp", "true"], check=False, capture_output=True
    )
    return done.returncode == 0


class Container:
    """Starts the image's commands on a copy of the project in `folder`/app."""

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
        """`docker run --read-only --tmpfs /tmp image ARGUMENTS`; the output can be read from stdout."""
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
        """Exit code and output of a command that ends by itself."""
        process = self.start(*arguments, **settings)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, 9)
            process.communicate()
