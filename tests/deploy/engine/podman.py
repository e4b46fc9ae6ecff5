"""podman with runc, with storage, networks and settings that are separate from the machine's own."""

import os
import shutil
import subprocess
import zlib
from pathlib import Path

import psutil

from tests.deploy.engine.console import CheckFailedError, require, run

# By Debian's package. The last are helpers that podman does not find on the PATH.
PROGRAMS = {"podman": "podman", "runc": "runc", "catatonit": "catatonit", "iptables": "iptables"}
HELPERS = {"netavark": "netavark", "aardvark-dns": "aardvark-dns"}
HELPER_FOLDERS = ("/usr/lib/podman", "/usr/libexec/podman")

CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{state}/libpod"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{state}/containers"
"""


def missing_packages() -> list[str]:
    """Return the Debian packages whose programs this machine lacks."""
    programs = {**PROGRAMS, "debootstrap": "debootstrap"}
    missing = [package for name, package in programs.items() if not shutil.which(name, path=_search_path())]
    return missing + [
        package
        for name, package in HELPERS.items()
        if not any(Path(folder, name).exists() for folder in HELPER_FOLDERS)
    ]


def _search_path() -> str:
    return os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/libexec/podman"))


class Podman:
    """Run podman's commands on a storage in `folder`, which keeps the images between checks."""

    def __init__(self, folder: Path):
        # Gone after a reboot, like what runs.
        state = Path("/run") / f"llm-benchmark-engine-{zlib.crc32(bytes(folder)):08x}"
        self.folder = folder
        self.environment = os.environ | {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            # Health checks are run by this check, since not every machine has systemd's timers.
            "DISABLE_HC_SYSTEMD": "true",
        }
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (("containers.conf", CONTAINERS_CONF), ("storage.conf", STORAGE_CONF)):
            (folder / name).write_text(text.format(folder=folder, state=state))
        self._interfaces = set(psutil.net_if_addrs())

    def __call__(self, *arguments: str, **options: object) -> str:
        """Return the output of a podman command; raises CheckFailedError if it fails."""
        return run(["podman", *arguments], env=self.environment, **options)

    def succeeds(self, *arguments: str) -> bool:
        """Return whether a podman command's exit code is 0."""
        try:
            self(*arguments)
        except CheckFailedError:
            return False
        return True

    def logs(self, container: str) -> str:
        """Return the end of a container's output."""
        command = ["podman", "logs", "--tail", "30", container]
        done = subprocess.run(
            command,
            check=False,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.stdout

    def remove_all(self) -> None:
        """Remove every pod, container, volume, secret and network; images stay."""
        self("pod", "rm", "--all", "--force", "--time", "5")
        for container in self("ps", "--all", "--external", "--quiet").split():
            self("rm", "--force", "--time", "5", container)
        self("volume", "rm", "--all", "--force")
        self("secret", "rm", "--all")
        self("network", "prune", "--force")

    def require_nothing_left(self) -> None:
        """Raise CheckFailedError if a container, volume, secret, network, interface or process is left."""
        left = {
            "containers": self("ps", "--all", "--external", "--quiet"),
            "pods": self("pod", "ls", "--quiet"),
            "volumes": self("volume", "ls", "--quiet"),
            "secrets": self("secret", "ls", "--quiet"),
            "networks": self("network", "ls", "--quiet", "--filter", "name=^(?!podman$)"),
            "interfaces": " ".join(sorted(set(psutil.net_if_addrs()) - self._interfaces)),
            "processes": " ".join(self._processes()),
        }
        found = {kind: names for kind, names in left.items() if names.strip()}
        require(not found, f"left behind: {found}")

    def _processes(self) -> list[str]:
        """Return what runs for this storage: conmon, which lives as long as its container, and podman."""
        found = []
        for process in psutil.process_iter(["name", "cmdline"]):
            if any(str(self.folder) in word for word in process.info["cmdline"] or []):
                found.append(f"{process.info['name']} ({process.pid})")
        return found
