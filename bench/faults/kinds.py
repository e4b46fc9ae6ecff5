"""The kinds of faults, by name: each is injected for some seconds and then mended."""

import signal
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from random import Random

import psutil
import psycopg2
from redis import Redis, RedisError

from bench.faults.cluster import Cluster
from bench.faults.proxy import MODES, OPEN
from webapp.store import connect

# Injects the fault, waits for that number of seconds, and mends it.
Fault = Callable[[Cluster, Random, float], None]


def _kill(role: str, cluster: Cluster, random: Random, seconds: float) -> None:
    member = random.choice(cluster.of(role))
    member.send(signal.SIGKILL)
    time.sleep(seconds)
    member.start()


def _terminate(role: str, cluster: Cluster, random: Random, seconds: float) -> None:
    member = random.choice(cluster.of(role))
    member.send(signal.SIGTERM)
    time.sleep(seconds)
    member.wait()
    member.start()


def _freeze(role: str, cluster: Cluster, random: Random, seconds: float) -> None:
    member = random.choice(cluster.of(role))
    member.send_all(signal.SIGSTOP)
    time.sleep(seconds)
    member.send_all(signal.SIGCONT)


def _kill_work_horse(cluster: Cluster, random: Random, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for process in random.choice(cluster.of("worker")).descendants():
            with suppress(psutil.NoSuchProcess):
                process.kill()
                time.sleep(seconds / 2)
        time.sleep(0.01)


def _disturb(ends: tuple[str, str], mode: str, cluster: Cluster, random: Random, seconds: float) -> None:
    role, server = ends
    link = random.choice(cluster.of(role)).links[server]
    link.set_mode(mode)
    time.sleep(seconds)
    link.set_mode(OPEN)


def _restart_redis(cluster: Cluster, random: Random, seconds: float) -> None:
    cluster.redis.stop()
    time.sleep(seconds)
    cluster.redis.start()


def _crash_redis(cluster: Cluster, random: Random, seconds: float) -> None:
    """Redis saves a snapshot, works on for a while, and returns with the snapshot."""
    with suppress(RedisError), closing(_redis(cluster)) as redis:
        pid = redis.info("server")["process_id"]
        redis.save()
        time.sleep(seconds / 2)
        psutil.Process(pid).kill()
    time.sleep(seconds / 2)
    cluster.redis.start()


def _freeze_redis(cluster: Cluster, random: Random, seconds: float) -> None:
    with suppress(RedisError), closing(_redis(cluster)) as redis:
        process = psutil.Process(redis.info("server")["process_id"])
        process.suspend()
        time.sleep(seconds)
        process.resume()


def _flush_redis(cluster: Cluster, random: Random, seconds: float) -> None:
    with suppress(RedisError), closing(_redis(cluster)) as redis:
        redis.flushall()
    time.sleep(seconds)


def _fill_redis(cluster: Cluster, random: Random, seconds: float) -> None:
    with suppress(RedisError), closing(_redis(cluster)) as redis:
        redis.config_set("maxmemory", 1)
        time.sleep(seconds)
        redis.config_set("maxmemory", 0)


def _restart_postgres(cluster: Cluster, random: Random, seconds: float) -> None:
    cluster.postgres.stop()
    time.sleep(seconds)
    cluster.postgres.start()


def _crash_postgres(cluster: Cluster, random: Random, seconds: float) -> None:
    processes = _postgres_processes(cluster)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)
    time.sleep(seconds)
    cluster.postgres.start()


def _freeze_postgres(cluster: Cluster, random: Random, seconds: float) -> None:
    frozen = _postgres_processes(cluster)
    for process in frozen:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    time.sleep(seconds)
    for process in frozen:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def _end_connections(cluster: Cluster, random: Random, seconds: float) -> None:
    with suppress(psycopg2.Error), closing(connect(cluster.settings)) as conn, conn.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND application_name LIKE 'llm-benchmark%'"
        )
    time.sleep(seconds)


def _lock_generation(cluster: Cluster, random: Random, seconds: float) -> None:
    with suppress(psycopg2.Error), closing(connect(cluster.settings)) as conn, conn, conn.cursor() as cursor:
        cursor.execute("LOCK TABLE generation IN ACCESS EXCLUSIVE MODE")
        time.sleep(seconds)


def _redis(cluster: Cluster) -> Redis:
    return Redis(unix_socket_path=str(cluster.redis.socket), socket_timeout=10)


def _postgres_processes(cluster: Cluster) -> list[psutil.Process]:
    try:
        pid = int((cluster.postgres.folder / "postmaster.pid").read_text().split()[0])
        postmaster = psutil.Process(pid)
        return [postmaster, *postmaster.children()]
    except (OSError, psutil.NoSuchProcess):  # another fault has stopped it
        return []


def _kinds() -> dict[str, Fault]:
    kinds: dict[str, Fault] = {}
    for role in ("scheduler", "worker", "api"):
        kinds[f"kill {role}"] = partial(_kill, role)
        kinds[f"terminate {role}"] = partial(_terminate, role)
        kinds[f"freeze {role}"] = partial(_freeze, role)
        for server in ("redis", "postgres"):
            if (role, server) != ("scheduler", "postgres"):
                for mode in MODES:
                    kinds[f"{role} to {server}: {mode}"] = partial(_disturb, (role, server), mode)
    return kinds | {
        "kill work-horse": _kill_work_horse,
        "restart redis": _restart_redis,
        "crash redis": _crash_redis,
        "freeze redis": _freeze_redis,
        "flush redis": _flush_redis,
        "fill redis": _fill_redis,
        "restart postgres": _restart_postgres,
        "crash postgres": _crash_postgres,
        "freeze postgres": _freeze_postgres,
        "end connections": _end_connections,
        "lock generation": _lock_generation,
    }


KINDS = _kinds()
# While one of these lasts, and shortly after, the API cannot read from PostgreSQL, or has died.
WITHOUT_POSTGRES = {
    *(name for name in KINDS if name.startswith("api to postgres")),
    *("restart postgres", "crash postgres", "freeze postgres", "end connections", "lock generation"),
}
# Faults of one group exclude each other, since one would mend the other, or never end.
GROUPS = ("redis", "postgres", "scheduler", "worker", "api")


def group(name: str) -> str:
    """Return the group of a kind."""
    if " to " in name:
        return name
    return next((group for group in GROUPS if group in name), "postgres")
