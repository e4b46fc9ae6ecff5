"""`make start`: everything on one machine, in the foreground, under one supervisor.

python -m jobs.start [--only PROCESS ...]
"""

import argparse
import fcntl
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

import psutil
from dotenv import dotenv_values
from honcho.manager import Manager

from jobs import embedded
from jobs.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServerError
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import Measurement
from webapp.settings import ENV_FILE, ROOT, Settings, SettingsError, exit_for

BIN = Path(sys.executable).parent
COMMANDS = {
    "api": [sys.executable, "-m", "webapp.serve"],
    "scheduler": [sys.executable, "-m", "jobs.scheduler"],
    "worker": [sys.executable, "-m", "jobs.worker"],
}
READY_SECONDS = 60
MOST_WORKERS = 4
# Marks the processes of this folder's supervisor, so that a later one can tell them.
FAMILY = "LLM_BENCHMARK_FAMILY"


class StartError(Exception):
    """Nothing was started; the message is one line that says what to do."""


def main() -> None:
    """Start what is asked for and stay until SIGINT or SIGTERM, then stop all of it."""
    parser = argparse.ArgumentParser(prog="python -m jobs.start", description="Run the whole system.")
    parser.add_argument("--only", nargs="+", choices=COMMANDS, help="these processes, on your own servers")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _exit_by_signal)
    signal.signal(signal.SIGINT, _exit_by_signal)
    try:
        code = _supervise(arguments.only) if arguments.only else _start_everything()
    except (StartError, EmbeddedServerError) as error:
        print(f"make start: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except SettingsError as error:
        exit_for(error)
    except BrokenPipeError:  # nobody reads the log any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    raise SystemExit(code)


def _start_everything() -> int:
    embedded.DATA.mkdir(exist_ok=True)
    with open(embedded.DATA / "lock", "a+") as lock:
        _take(lock)
        servers = _wanted_servers()
        embedded.write_environment(servers)
        try:
            settings = Settings.from_env()
            _check_port(settings)
            read_benchmark_file(settings)
            for server in servers:
                state = "found" if server.is_running() else "starting"
                _say(f"{state} {type(server).__name__.removeprefix('Embedded')} in {server.folder}")
                server.start()
            _migrate()
            threading.Thread(target=_announce, args=(settings.port,), daemon=True).start()
            code = _supervise(list(COMMANDS), scheduler_arguments=["--run-now"])
        finally:
            embedded.stop_all()
        _say("stopped")
        return code


def _take(lock: IO[str]) -> None:
    """Let this be the folder's only supervisor; what a killed one left running is ended first."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip()
        if holder.isdigit() and psutil.pid_exists(int(holder)):
            raise StartError(f"already running from this folder (pid {holder})") from None
        _end_leftovers()
        fcntl.flock(lock, fcntl.LOCK_EX)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def _end_leftovers() -> None:
    """End the processes of a supervisor that was killed, which still hold its lock and its port."""
    left = [process for process in psutil.process_iter() if _is_leftover(process)]
    _say(f"ending {len(left)} processes that a killed `make start` has left")
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=10)


def _is_leftover(process: psutil.Process) -> bool:
    try:
        if process.environ().get(FAMILY) == str(ROOT):
            return True
        # Honcho's own children, of which each waits for one of ours.
        command = process.cmdline()
        orphan = process.ppid() not in (os.getpid(), os.getppid()) and process.pid != os.getpid()
        return orphan and command[-2:] == ["-m", "jobs.start"] and process.cwd() == str(ROOT)
    except psutil.Error:
        return False


def _check_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise StartError(
                f"port {settings.port} cannot be used ({error.strerror});"
                f" try another: make start PORT={settings.port + 1}"
            ) from None


def _wanted_servers() -> list[EmbeddedPostgres | EmbeddedRedis]:
    """The embedded servers that stand in for those the settings do not name."""
    named = {**dotenv_values(ENV_FILE), **os.environ}
    servers: dict[str, EmbeddedPostgres | EmbeddedRedis] = {
        "POSTGRES_HOST": embedded.POSTGRES,
        "REDIS_HOST": embedded.REDIS,
    }
    return [server for name, server in servers.items() if not named.get(name)]


def _migrate() -> None:
    done = subprocess.run(
        [BIN / "flask", "db", "upgrade"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no output"]
        raise StartError(f"the migrations failed: {lines[-1]}")


def _supervise(names: list[str], scheduler_arguments: list[str] | None = None) -> int:
    """Run the processes with prefixed logs until one ends or a signal comes; leave none behind."""
    workers = _workers(read_benchmark_file(Settings.from_env()))
    manager = Manager()
    # Two processes cannot share METRICS_PORT.
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", FAMILY: str(ROOT), "METRICS_PORT": ""}
    for name in names:
        arguments = scheduler_arguments or [] if name == "scheduler" else []
        command = shlex.join([*COMMANDS[name], *arguments])
        copies = workers if name == "worker" else 1
        for number in range(1, copies + 1):
            label = f"{name}.{number}" if copies > 1 else name
            manager.add_process(label, f"exec {command}", env=environment, cwd=str(ROOT))
    family = _Family()
    try:
        manager.loop()
    finally:
        family.end()
    if manager.returncode in (130, 143):  # told to end, which is no failure
        return 0
    _say(f"one of {', '.join(names)} ended by itself (code {manager.returncode}), so all were ended")
    return manager.returncode or 1


def _workers(measurements: Sequence[Measurement]) -> int:
    """One, and one more for each server that is measured, so that a slow one holds up no other."""
    return min(1 + len({measurement.server for measurement in measurements}), MOST_WORKERS)


class _Family:
    """All processes that were ever under this one, so that a run whose worker was killed is ended too."""

    def __init__(self) -> None:
        self._seen: set[psutil.Process] = set()
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        while not self._done.wait(0.5):
            self._seen = {process for process in self._seen if process.is_running()}
            self._seen.update(psutil.Process().children(recursive=True))
            for process in self._seen:
                _end_orphans_of(process)

    def end(self) -> None:
        """Kill whatever is still alive."""
        self._done.set()
        self._watcher.join()
        for process in self._seen:
            if process.is_running():
                process.kill()


def _end_orphans_of(process: psutil.Process) -> None:
    """End what a dead process has left in its group; Honcho would wait for them and not see its death."""
    with suppress(psutil.Error, ProcessLookupError):
        if process.status() == psutil.STATUS_ZOMBIE:
            os.killpg(process.pid, signal.SIGKILL)


def _announce(port: int) -> None:
    """Say where to look once the API is ready."""
    base = f"http://localhost:{port}"
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{base}/readyz", timeout=5)  # noqa: S310  (a fixed http address)
            break
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    else:
        return
    _say(f"ready at   {base}  (sign in with the API_KEY that is in .env)")
    _say(f"docs at    {base}/docs")
    _say(f"queue at   {base}/rq  (any user name, the API key as password)")
    _say("try        curl -H \"x-api-key: $(sed -n 's/^API_KEY=//p' .env)\" "
         f"{base}/api/v1/benchmarks/rankings")  # fmt: skip


def _say(line: str) -> None:
    print(f"llm-benchmark: {line}", flush=True)


def _exit_by_signal(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    main()
