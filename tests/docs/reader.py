"""A reader of the documentation: runs its blocks in a copy of the project and compares what they print."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.docs.pages import Block
from tests.web import clean_environment
from webapp.settings import ROOT

NOT_COPIED = shutil.ignore_patterns(
    ".*", "data", "tests", "bench", "node_modules", "__pycache__", "*.egg-info"
)
# Variables outlive a block, as they do in a terminal.
SCRIPT = """\
set -a; test ! -e .variables || . ./.variables; trap 'export -p > .variables' EXIT
set -euo pipefail
"""
# An error of HTTP fails the command; no progress is printed.
CURLRC = "fail-with-body\nsilent\n"
CELL = """\
import ast, asyncio, inspect, sys
code = compile(sys.stdin.read(), "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
async def run():
    if inspect.iscoroutine(awaited := eval(code, {"__name__": "__main__"})):
        await awaited
asyncio.run(run())
"""
NUMBER = re.compile(r"\d[\d,]*(\.\d+)?(e-?\d+)?")
BLOCK_SECONDS = 60


class Reader:
    """Runs blocks in `folder`; `ports` has the port that replaces each documented one."""

    def __init__(self, folder: Path, ports: Mapping[str, str], **environment: str):
        self.folder = folder
        self._ports = ports
        # Bytecode is kept, so that the copy is compiled once and not by each command.
        own = {"CURL_HOME": str(folder), "PYTHONDONTWRITEBYTECODE": ""}
        self._environment = {**clean_environment(), **environment, **own}
        self._running: list[tuple[str, subprocess.Popen]] = []
        shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
        shutil.copy(ROOT / ".env.example", folder)
        _link_virtual_environment(folder)
        (folder / ".curlrc").write_text(CURLRC)

    def write(self, block: Block) -> None:
        """Write the file that the block shows."""
        (self.folder / block.notes["file"]).write_text(_replaced(block.text, self._ports))

    def follow(self, block: Block) -> None:
        """Run a block; AssertionError if it fails or prints something other than it shows."""
        if block.language == "python":
            self._run_python(block)
            return
        sessions = examples(block.text) if block.language == "console" else [(block.text, "")]
        for command, shown in sessions:
            if "stays up" in block.notes:
                printed = self._start(command, block)
            else:
                status, printed = self._run(command)
                assert shown or status == 0, f"{command}\nended with {status}:\n{printed}"
            assert not shown or shows(shown, printed, "numbers vary" in block.notes), f"{command}\n{printed}"

    def forget(self) -> None:
        """Forget all variables."""
        (self.folder / ".variables").unlink(missing_ok=True)

    def end(self, page: str) -> None:
        """End what the page's blocks have started."""
        for process in [process for started_by, process in self._running if started_by == page]:
            _end(process)
        self._running = [running for running in self._running if running[0] != page]

    def _run(self, command: str) -> tuple[int, str]:
        """The exit status and what was printed: stdout or, if that is empty, stderr."""
        done = self._call(["bash", "-c", SCRIPT + _replaced(command, self._ports)])
        return done.returncode, self._with_documented_ports(done.stdout.strip() or done.stderr)

    def _run_python(self, block: Block) -> None:
        program = CELL if "notebook" in block.notes else "import sys; exec(sys.stdin.read())"
        python = str(self.folder / ".venv" / "bin" / "python")
        done = self._call([python, "-c", program], _replaced(block.text, self._ports))
        assert done.returncode == 0, done.stderr

    def _call(self, command: list[str], text: str = "") -> subprocess.CompletedProcess:
        return subprocess.run(
            command, cwd=self.folder, env=self._environment, input=text, capture_output=True, text=True,
            timeout=BLOCK_SECONDS, check=False,
        )  # fmt: skip

    def _start(self, command: str, block: Block) -> str:
        """Start what stays up and return what it has printed by the time that the note's text is there."""
        log = self.folder / f"{len(self._running)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-c", SCRIPT + _replaced(command, self._ports)],
                cwd=self.folder, env=self._environment, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        self._running.append((block.page, process))
        deadline = time.monotonic() + BLOCK_SECONDS
        while block.notes["stays up"] not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        return self._with_documented_ports(log.read_text())

    def _with_documented_ports(self, text: str) -> str:
        return _replaced(text, {port: documented for documented, port in self._ports.items()})


def examples(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, which follow a dollar sign, each with what it is shown to print."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(command, shown.strip()) for command, _, shown in (part.partition("\n") for part in parts)]


def shows(shown: str, printed: str, numbers_vary: bool = False) -> bool:
    """Whether that was printed; `...` is any text, and runs of spaces and rules may differ in length."""
    shown, printed = (re.sub(r"[ ━─]+", " ", text) for text in (shown, printed))
    if numbers_vary:
        shown, printed = (NUMBER.sub("0", text) for text in (shown, printed))
    shown, printed = (re.sub(r" *\n", "\n", text).strip() for text in (shown, printed))
    pattern = ".*".join(map(re.escape, re.split(r"\s*\.\.\.\s*", shown)))
    return bool(re.fullmatch(pattern, printed, re.DOTALL))


def _replaced(text: str, numbers: Mapping[str, str]) -> str:
    return re.sub(r"\b\d{4,5}\b", lambda found: numbers.get(found[0], found[0]), text)


def _link_virtual_environment(folder: Path) -> None:
    """Let the copy have the environment of these tests as its .venv, in which nothing is missing for make."""
    environment = folder / ".venv"
    environment.mkdir()
    for entry in Path(sys.prefix).iterdir():
        (environment / entry.name).symlink_to(entry)
    for stamp in re.findall(r"\.venv/(installed-\w+)", (folder / "Makefile").read_text()):
        (environment / stamp).unlink(missing_ok=True)
        (environment / stamp).touch()


def _end(process: subprocess.Popen) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
