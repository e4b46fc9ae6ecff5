"""Images without a registry: Debian from debootstrap, the images that the project names, and the product."""

import re
import subprocess
import tempfile
from pathlib import Path

from tests.deploy.engine.console import run
from tests.deploy.engine.podman import Podman

DEBIAN = "localhost/debian:trixie"
MIRROR = "http://deb.debian.org/debian"
PYTHON = "localhost/python:3.13"
POSTGRES = "docker.io/library/postgres:17"
REDIS = "docker.io/library/redis:8"
BASES = {PYTHON: "python", POSTGRES: "postgres", REDIS: "redis"}
FOLDER = Path(__file__).parent / "images"
# The certificates that this machine trusts; behind a registry proxy, its own is among them.
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def make_bases(podman: Podman) -> None:
    """Make the images that are built upon; what an earlier check has made is used again."""
    if not podman.succeeds("image", "exists", DEBIAN):
        _import_debian(podman)
    for tag, name in BASES.items():
        _build(podman, tag, FOLDER / name, FOLDER / name / "Containerfile")


def build_product(podman: Podman, source: Path, tag: str) -> None:
    """Build the product's image from its sources, by the steps of its Dockerfile."""
    dockerfile = podman.folder / "Dockerfile"
    dockerfile.write_text(without_start_interval((source / "Dockerfile").read_text()))
    certificates = [f"--volume={CERTIFICATES}:{CERTIFICATES}:ro"] if CERTIFICATES.exists() else []
    _build(podman, tag, source, dockerfile, f"--build-arg=PYTHON={PYTHON}", *certificates)


def without_start_interval(dockerfile: str) -> str:
    """Return the Dockerfile without HEALTHCHECK's --start-interval, which podman learned after 4.3."""
    return re.sub(r"(?m)^(HEALTHCHECK .*?) --start-interval=\S+", r"\1", dockerfile)


def _build(podman: Podman, tag: str, context: Path, containerfile: Path, *options: str) -> None:
    # Docker's format, since OCI's has no HEALTHCHECK; the machine's network reaches the registries.
    build = (
        "build",
        "--quiet",
        "--format=docker",
        "--network=host",
        f"--tag={tag}",
        f"--file={containerfile}",
    )
    podman(*build, *options, str(context))


def _import_debian(podman: Podman) -> None:
    with tempfile.TemporaryDirectory(dir=podman.folder, prefix="debian-") as name:
        folder = Path(name)
        try:
            run(["debootstrap", "--variant=minbase", "trixie", name, MIRROR])
        finally:
            # debootstrap that fails or is stopped may leave them mounted.
            for mount in ("proc", "sys"):
                subprocess.run(["umount", folder / mount], check=False, capture_output=True)
        for package in (folder / "var/cache/apt/archives").glob("*.deb"):
            package.unlink()
        archive = podman.folder / "debian.tar"
        run(["tar", "--directory", name, "--create", "--file", str(archive), "."])
        podman("import", "--quiet", str(archive), DEBIAN)
        archive.unlink()
