"""python -m tests.deploy.engine: run the deployment in podman, and check what it promises.

The exit code is 1 at the first step that fails, and 2 where podman and its helpers are not installed.
"""

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.engine import images, manifests
from tests.deploy.engine.console import CheckFailedError, require, step
from tests.deploy.engine.podman import Podman, missing_packages
from tests.deploy.engine.previous import HEAD, extract, head_migration, previous_commit
from tests.deploy.engine.product import Product
from tests.deploy.engine.project import LEFT_OUT, Project
from tests.deploy.engine.release import OPENSHIFT_UID, playing
from webapp.settings import ROOT

FOLDER = ROOT / "data" / "engine"
LOCK = Path("/run/llm-benchmark-engine.lock")
NEW = "localhost/llm-benchmark:checked"
OLD = "localhost/llm-benchmark:previous"
# What each run of a version must leave to the next: its runs, and the sum of their points.
STORED = "SELECT count(DISTINCT run_id), count(*), sum(value) FROM points WHERE run_id <= {last}"


def main() -> int:
    """Run all steps; returns the exit code."""
    if problem := obstacle():
        print(f"make check-engine: {problem}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    try:
        with alone(), cleaned() as podman:
            check(podman)
    except CheckFailedError as error:
        print(f"make check-engine: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"all passed, {time.monotonic() - began:.0f} s")
    return 0


def obstacle() -> str | None:
    """Return why the check cannot run on this machine, in one line, or None."""
    if missing := missing_packages():
        return f"not installed: {', '.join(missing)}; expected Debian's (apt install {' '.join(missing)})"
    if os.geteuid() != 0:
        return "not root; expected root, as debootstrap and container networks need"
    return None


@contextmanager
def alone() -> Iterator[None]:
    """Hold this machine's lock; raises CheckFailedError if another check holds it.

    Checks of other clones share podman's DNS server, and would find each other's network interfaces.
    """
    with open(LOCK, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckFailedError(f"{LOCK}: another check is running on this machine") from None
        yield


@contextmanager
def cleaned() -> Iterator[Podman]:
    """Yield podman, and remove everything but images, before (what a killed check left) and after."""
    podman = Podman(FOLDER)
    try:
        _clean(podman)
        yield podman
    finally:
        # The second Ctrl-C would leave containers running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _clean(podman)


def _clean(podman: Podman) -> None:
    podman.remove_all()
    podman("image", "prune", "--force")
    for name in ("projects", "previous", "volumes"):
        shutil.rmtree(FOLDER / name, ignore_errors=True)


def check(podman: Podman) -> None:
    """Run the steps in order."""
    with step("Base images: Debian trixie with Python 3.13, PostgreSQL 17, Redis 8"):
        images.make_bases(podman)
    with step("Image of this version, by the Dockerfile's steps") as note:
        images.build_product(podman, ROOT, NEW)
        note("rewritten: HEALTHCHECK without --start-interval, which podman 4.3 does not know")
    check_compose(podman)
    check_upgrade(podman)
    check_chart(podman)


def check_compose(podman: Podman) -> None:
    """Check a new installation by the Compose file."""
    project = Project(podman, "new")
    with step("Compose: up, healthy, rankings equal public/response.json") as note:
        project.write_env(ROOT)
        project.use(ROOT, NEW)
        project.up()
        product = project.product()
        product.require_rankings()
        note(f"left out: {', '.join(LEFT_OUT)}, whose images only a registry has")
        note("started one by one, since podman-compose waits for no health check with podman 4.3")
    with step("Compose: 3 workers; the next slot runs once"):
        project.scale("worker", 3)
        product.wait_for_slots(2)
        product.require_each_slot_once()
    with step("Compose: restart; data kept, rankings served, no slot ran twice") as note:
        last, stored = _stored(product)
        project.restart()
        product.require_rankings()
        product.wait_for_slots(3)
        _require_kept(product, last, stored)
        product.require_each_slot_once()
        note(f"finished slots: {product.finished_slots()}, each with one run for each LLM, all points once")
    with step("Compose: down; no container, network, volume or process left"):
        project.down()
        podman.require_nothing_left()


def check_upgrade(podman: Podman) -> None:
    """Check that this version takes over the data of the previous one."""
    old = FOLDER / "previous"
    with step(f"Image of the previous version, whose newest migration is {HEAD}") as note:
        commit = previous_commit()
        extract(commit, old)
        images.build_product(podman, old, OLD)
        note(f"commit {commit[:10]}")
    project = Project(podman, "upgraded")
    with step("Upgrade: the previous version up, one run finished"):
        project.write_env(old)
        project.use(old, OLD)
        project.up()
        product = project.product()
        product.require_rankings()
        last, stored = _stored(product)
    with step(
        "Upgrade: this version up on the same volumes; data kept, flask verify finds no differences"
    ) as note:
        project.use(ROOT, NEW)
        project.up()
        product.require_rankings()
        _require_kept(product, last, stored)
        head = product.sql("SELECT version_num FROM alembic_version")
        require(head == head_migration(ROOT), f"schema: at {head}; expected {head_migration(ROOT)}")
        product.wait_for_slots(2)
        verified = project.run_in("api", "flask", "--app", "webapp", "verify").strip()
        note(f"schema: {HEAD} to {head}; runs, points and their sum kept: {stored}; verify: {verified}")
        product.require_each_slot_once()
    with step("Upgrade: down; nothing left"):
        project.down()
        podman.require_nothing_left()


def check_chart(podman: Podman) -> None:
    """Check the chart's manifests, as they are rendered and as OpenShift changes them."""
    for user, uid in (
        ("as user 10001", None),
        (f"as OpenShift's user {OPENSHIFT_UID}, group 0", OPENSHIFT_UID),
    ):
        with step(f"Chart {user}: pods run, helm test passes, rankings served") as note:
            with playing(podman, NEW, uid) as release:
                product = release.product()
                product.require_rankings()
                release.require_restricted()
                product.require_each_slot_once()
            podman.require_nothing_left()
            for rewriting in manifests.REWRITINGS if uid is None else ():
                note(f"rewritten: {rewriting}")


def _stored(product: Product) -> tuple[str, str]:
    last = product.sql("SELECT max(id) FROM runs WHERE status = 'finished'")
    return last, product.sql(STORED.format(last=last))


def _require_kept(product: Product, last: str, stored: str) -> None:
    found = product.sql(STORED.format(last=last))
    require(found == stored, f"points of runs up to {last}: {found}; expected {stored}")


if __name__ == "__main__":
    sys.exit(main())
