"""A release of the chart, played by podman."""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import yaml

from tests.deploy.chart import render
from tests.deploy.engine import images
from tests.deploy.engine.console import require, silent_stderr, wait_for
from tests.deploy.engine.manifests import Workload, of_kind, workloads
from tests.deploy.engine.podman import Podman
from tests.deploy.engine.product import PSQL, Product

NETWORK = "kube"
PORT = 8001
READY_SECONDS = 120
# A user ID that OpenShift would give a namespace's pods, with group 0.
OPENSHIFT_UID = 1000730000
# Prints the user and group, the effective capabilities, and whether the root file system can be written.
PRIVILEGES = 'id -u; id -g; grep CapEff /proc/1/status; touch /app/x 2>/dev/null || echo "read-only"'


class Release:
    """The pods of a release."""

    def __init__(self, podman: Podman, image: str, uid: int | None):
        self.podman, self.uid = podman, uid
        self.folder = podman.folder / "volumes"
        self.key = secrets.token_urlsafe()
        with silent_stderr():  # Helm's engine logs each symbolic link
            self.objects = render(self._values(image), name="llm", namespace="default")
        self.host_aliases: list[dict] = []
        self.workloads = workloads(self.objects, self.folder, uid)

    def _values(self, image: str) -> dict:
        repository, tag = image.rsplit(":", 1)
        return {
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "apiKey": self.key,
            "secretKey": secrets.token_urlsafe(),
            "service": {"port": PORT},
            "config": {"SCHEDULE_INTERVAL": 1},
            "postgresql": {"image": images.POSTGRES, "password": secrets.token_urlsafe()},
            "redis": {"image": images.REDIS, "password": secrets.token_urlsafe()},
        }

    def play(self) -> None:
        """Start everything, and run the chart's test, as `helm install --wait` and `helm test` do."""
        self.podman("network", "create", NETWORK)
        for secret in of_kind(self.objects, "Secret"):
            self.podman("secret", "create", secret["metadata"]["name"], "-", input=json.dumps(secret["data"]))
        for workload in self.workloads:
            self._play(workload)
            self._wait_until_ready(workload)

    def _play(self, workload: Workload) -> None:
        for volume in workload.volumes:
            volume.path.mkdir(parents=True)
            os.chown(volume.path, 0, volume.group)
            volume.path.chmod(0o2775)
        workload.pod["hostAliases"] = self.host_aliases
        documents = [*of_kind(self.objects, "ConfigMap"), workload.manifest]
        self.podman("play", "kube", f"--network={NETWORK}", "-", input=yaml.safe_dump_all(documents))
        if workload.services:
            self.host_aliases.append({"ip": self.address(workload), "hostnames": workload.services})

    def _wait_until_ready(self, workload: Workload) -> None:
        for container in self.containers(workload):
            if workload.ready is None:
                code = self.podman("wait", container).strip()
                require(code == "0", f"{container}: exit code {code}\n{self.podman.logs(container)}")
            else:
                self._wait_for_probe(container, workload.ready)

    def _wait_for_probe(self, container: str, command: list[str]) -> None:
        wait_for(
            lambda: self.podman.succeeds("exec", container, *command), f"{container}: ready", READY_SECONDS
        )

    def containers(self, workload: Workload) -> list[str]:
        """Return the names of the workload's containers, init containers excluded, as podman makes them."""
        own = "|".join(container["name"] for container in workload.pod["containers"])
        pattern = re.compile(rf"{workload.name}(-pod-\d+)?-({own})")
        names = self.podman("ps", "--all", "--format", "{{.Names}}").split()
        found = [name for name in names if pattern.fullmatch(name)]
        require(found, f"{workload.name}: no container")
        return found

    def component(self, name: str) -> Workload:
        """Return the workload whose name ends so."""
        (found,) = (workload for workload in self.workloads if workload.name.endswith(f"-{name}"))
        return found

    def address(self, workload: Workload) -> str:
        """Return the IP address of the workload's first pod."""
        pod = self.podman("inspect", "--format", "{{.Pod}}", self.containers(workload)[0]).strip()
        infra = self.podman("pod", "inspect", "--format", "{{.InfraContainerID}}", pod).strip()
        address = f'{{{{(index .NetworkSettings.Networks "{NETWORK}").IPAddress}}}}'
        return self.podman("inspect", "--format", address, infra).strip()

    def product(self) -> Product:
        """Return how to read the release, through the address of one of the API's pods."""
        (postgres,) = self.containers(self.component("postgresql"))
        return Product(
            f"http://{self.address(self.component('api'))}:{PORT}",
            self.key,
            lambda statement: self.podman("exec", postgres, *PSQL, statement).strip(),
        )

    def require_restricted(self) -> None:
        """Raise CheckFailedError unless every process of the product runs as it should, without rights."""
        user = ("10001", "10001") if self.uid is None else (str(self.uid), "0")
        expected = [*user, "CapEff:\t0000000000000000", "read-only"]
        for name in ("api", "scheduler", "worker"):
            for container in self.containers(self.component(name)):
                found = self.podman("exec", container, "sh", "-c", PRIVILEGES).splitlines()
                require(found == expected, f"{container}: {found}; expected {expected}")

    def remove(self) -> None:
        """Stop the pods, those that use the servers first, and remove everything."""
        for workload in reversed(self.workloads):
            for pod in self.podman("pod", "ls", "--format", "{{.Name}}").split():
                if pod.startswith(workload.name):
                    self.podman("pod", "rm", "--force", "--time", "60", pod)
        self.podman.remove_all()
        shutil.rmtree(self.folder)


@contextmanager
def playing(podman: Podman, image: str, uid: int | None = None) -> Iterator[Release]:
    """Play a release; yields it, and removes it if nothing failed."""
    release = Release(podman, image, uid)
    release.play()
    yield release
    release.remove()
