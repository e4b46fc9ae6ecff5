"""What the check prints, and how it waits and fails."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class CheckFailedError(Exception):
    """Something is not as it must be; the message says what, with the output that shows it."""


@contextmanager
def step(name: str) -> Iterator[Callable[[str], None]]:
    """Print the step's name, then its outcome and time; yields what adds a line below them."""
    print(f"{name} ... ", end="", flush=True)
    notes: list[str] = []
    outcome, began = "FAILED", time.monotonic()
    try:
        yield notes.append
        outcome = "ok"
    finally:
        print(f"{outcome}, {time.monotonic() - began:.1f} s", flush=True)
        for note in notes:
            print(f"    {note}", flush=True)


def require(condition: object, problem: str) -> None:
    """Raise CheckFailedError with the problem unless the condition holds."""
    if not condition:
        raise CheckFailedError(problem)


def wait_for(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Return as soon as `holds` does; raises CheckFailedError with what was awaited if it is not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.2)
    raise CheckFailedError(f"{what}: not within {seconds:.0f} s")


def run(command: list[str], input: str | None = None, **options: object) -> str:
    """Return the command's output; raises CheckFailedError with the end of its errors if it fails.

    It runs in a session that Ctrl-C does not reach; if this process is interrupted, it is stopped first.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, start_new_session=True, **pipes, **options) as process:
        try:
            output, errors = process.communicate(input)
        except BaseException:
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(process.pid, signal.SIGTERM)
            raise
    if process.returncode:
        shown = (errors + output)[-3000:]
        raise CheckFailedError(f"{' '.join(command[:6])} ...: exit code {process.returncode}\n{shown}")
    return output


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Drop what this process writes to stderr, libraries that are not Python's included."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
