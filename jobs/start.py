"""`make start`: the whole system on one machine, in the foreground, under one supervisor.

python -m jobs.start [--only PROCESS ...]
"""

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from http import HTTPStatus
from operator import attrgetter
from pathlib import Path
from types import FrameType
from typing import NoReturn

from jobs import embedded
from jobs.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServerError
from jobs.folder_lock import AlreadyRunningError, folder_lock
from jobs.host import places
from jobs.supervisor import COMMANDS, supervise
from webapp.lock_wait import WAITING
from webapp.plan.benchmark_file import read_benchmark_file
from webapp.plan.measurement import Measurement
from webapp.probe import LOCAL, status
from webapp.settings import COMPOSE_HOSTS, ROOT, Settings, SettingsError, exit_for, named_host, named_values

logger = logging.getLogger(__name__)

FLASK = Path(sys.executable).parent / "flask"
READY_SECONDS = 60
READY_POLL_SECONDS = 0.2
ANSWER_SECONDS = 5


class StartError(Exception):
    """Nothing was started; the message is one line."""


def main() -> None:
    """Start the whole system, or some of its processes, and stop all of it on SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m jobs.start", description="Run the whole system.")
    parser.add_argument(
        "--only", nargs="+", choices=COMMANDS, help="Start these processes, and no embedded servers."
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="llm-benchmark: %(message)s", stream=sys.stdout)
    signal.signal(signal.SIGTERM, _exit_by_signal)
    signal.signal(signal.SIGINT, _exit_by_signal)
    try:
        code = start_processes(options.only) if options.only else start_everything()
    except (StartError, AlreadyRunningError, EmbeddedServerError) as error:
        print(f"make start: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except SettingsError as error:
        exit_for(error)
    except BrokenPipeError:  # the reader of the log has exited
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    raise SystemExit(code)


def start_processes(names: list[str]) -> int:
    """Run the named processes on the servers that the settings name; returns the exit code."""
    settings = Settings.from_env()
    measurements = read_benchmark_file(settings)
    warn_of_shards(settings, measurements)
    if "scheduler" not in names:
        return supervise(names, measurements, [settings.region])
    return supervise(names, measurements, served_regions(settings, measurements))


def start_everything() -> int:
    """Run all processes, on embedded servers where the settings name none; returns the exit code."""
    embedded.DATA.mkdir(exist_ok=True)
    with folder_lock(embedded.DATA / "lock"):
        servers = embedded_servers()
        embedded.write_environment(servers)
        try:
            settings = Settings.from_env()
            check_port(settings)
            measurements = read_benchmark_file(settings)
            regions = served_regions(settings, measurements)
            warn_of_shards(settings, measurements)
            for server in servers:
                state = "found" if server.is_running() else "starting"
                logger.info("%s %s in %s", state, server.name, server.folder)
                server.start()
            migrate()
            threading.Thread(target=announce, args=(settings,), daemon=True).start()
            code = supervise(list(COMMANDS), measurements, regions, ["--run-now"])
        finally:
            embedded.stop_all()
        logger.info("stopped")
        return code


def served_regions(settings: Settings, measurements: Sequence[Measurement]) -> list[str | None]:
    """Return this machine's region, after None, since the simulation needs workers without a region.

    Logs the other regions of the benchmark file, which need workers elsewhere.
    """
    planned = {measurement.region for measurement in measurements}
    for region in sorted(filter(None, planned - {settings.region})):
        logger.warning(
            "region %s: no worker of this machine measures from there; expected REGION=%s where one does",
            *(region, region),
        )
    return list(dict.fromkeys((None, settings.region)))


def warn_of_shards(settings: Settings, measurements: Sequence[Measurement]) -> None:
    """Log the level with most shards if this machine alone cannot run them all at the same time."""
    level = max(measurements, key=attrgetter("shards"), default=None)
    if level and level.shards > places(settings):
        logger.warning(
            "%s: %d shards, but this machine runs %d measurements at the same time;"
            " expected workers on more machines, or MEASUREMENTS_PER_HOST=%d",
            *(level.scenario, level.shards, places(settings), level.shards),
        )


def embedded_servers() -> list[EmbeddedPostgres | EmbeddedRedis]:
    """Return the embedded servers for which the settings name no other host."""
    named = named_values()
    servers: dict[str, EmbeddedPostgres | EmbeddedRedis] = {
        "POSTGRES": embedded.POSTGRES,
        "REDIS": embedded.REDIS,
    }
    return [server for name, server in servers.items() if _is_missing(name, named_host(named, name))]


def _is_missing(server: str, host: str) -> bool:
    """Return whether no host is named, or only the one that Compose's containers alone can resolve."""
    if host != COMPOSE_HOSTS[server]:
        return not host
    try:
        socket.getaddrinfo(host, None)
    except socket.gaierror:
        logger.info("%s_HOST=%s: unknown host; using an embedded server", server, host)
        return True
    return False


def check_port(settings: Settings) -> None:
    """Raise StartError if the API cannot listen on its address and port, or its Unix socket."""
    if settings.socket_path:
        return check_socket(Path(settings.socket_path))
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise StartError(
                f"{settings.bind}: cannot listen there ({error.strerror});"
                f" try another port: make start PORT={settings.port + 1}"
            ) from None


def check_socket(path: Path) -> None:
    """Raise StartError if no socket can be made there, or another server listens on it."""
    fault = ""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        fault = "its folder does not exist, or this user may not write to it"
    elif path.exists() and not path.is_socket():
        fault = "there is a file of that name"
    with socket.socket(socket.AF_UNIX) as probe:
        if not fault and probe.connect_ex(str(path)) == 0:
            fault = "another server listens there"
    if fault:
        raise StartError(f"unix:{path}: cannot listen there ({fault})")


def migrate() -> None:
    """Upgrade the database, and log what it waits for; raises StartError with a migration's last line."""
    last = "no output"
    with subprocess.Popen(
        [FLASK, "db", "upgrade"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            for line in process.stderr or ():
                last = line.strip() or last
                if WAITING in line:
                    logger.info("%s", last)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise StartError(f"migrations failed: {last}")


def announce(settings: Settings) -> None:
    """Print the addresses of page, documentation and queue once the API is ready."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if status(settings.host, settings.port, "/readyz", ANSWER_SECONDS) == HTTPStatus.OK:
            break
        time.sleep(READY_POLL_SECONDS)
    else:
        return
    if settings.socket_path:
        logger.info("ready at   %s  (for a proxy, see docs/proxy.md)", settings.host)
        return
    base = base_url(settings)
    logger.info("ready at   %s  (sign in with the API_KEY in .env)", base)
    logger.info("docs at    %s/docs", base)
    logger.info("queue at   %s/rq  (any user name, the API key as password)", base)
    logger.info(
        "try        curl -H \"x-api-key: $(sed -n 's/^API_KEY=//p' .env)\" %s/api/v1/benchmarks/rankings",
        base,
    )


def base_url(settings: Settings) -> str:
    """Return the API's URL for this machine: localhost, unless it listens on one other address."""
    is_local = settings.host in (*LOCAL, *LOCAL.values())
    where = f"localhost:{settings.port}" if is_local else settings.bind
    return f"http://{where}{settings.url_prefix}"


def _exit_by_signal(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    main()
