"""A Compose file, run by podman-compose as Docker Compose would run it."""

import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.deploy.engine.console import require, run, wait_for
from tests.deploy.engine.podman import Podman
from tests.deploy.engine.product import PSQL, Product
from tools.env import SECRETS, fill_file

# Their images cannot be made from Debian's packages.
LEFT_OUT = ("grafana", "prometheus")
HEALTH_SECONDS = 120


class Project:
    """The Compose project in a folder of its Compose file and .env."""

    def __init__(self, podman: Podman, name: str):
        self.podman = podman
        self.folder = podman.folder / "projects" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()

    def write_env(self, source: Path) -> None:
        """Write .env as `make env` does in a checkout of these sources, with a run each minute."""
        path = self.folder / ".env"
        path.write_text((source / ".env.example").read_text())
        fill_file(path, SECRETS)
        self.set(PORT=str(self.port), SCHEDULE_INTERVAL="1")

    def set(self, **values: str) -> None:
        """Set lines of .env."""
        path = self.folder / ".env"
        path.write_text(with_values(path.read_text(), values))

    def use(self, source: Path, image: str) -> None:
        """Use these sources' Compose file and this image from now on."""
        composed = without(yaml.safe_load((source / "docker-compose.yml").read_text()), LEFT_OUT)
        (self.folder / "docker-compose.yml").write_text(yaml.safe_dump(composed, sort_keys=False))
        self.set(IMAGE=image)

    @property
    def services(self) -> dict[str, dict]:
        """The services of the Compose file by name."""
        return yaml.safe_load((self.folder / "docker-compose.yml").read_text())["services"]

    def compose(self, *arguments: str) -> str:
        """Return the output of a podman-compose command."""
        program = str(Path(sys.executable).with_name("podman-compose"))
        return run([program, "--in-pod=false", *arguments], cwd=self.folder, env=self.podman.environment)

    def up(self) -> None:
        """Start every service when its dependencies are ready, in place of its former container.

        podman-compose waits for no health check before podman 4.6, so it is asked for one service at a time.
        """
        for name in start_order(self.services):
            for container in self.containers(name):
                self.podman("rm", "--force", "--time", "60", container)
            self.compose("up", "--detach", "--no-build", "--no-deps", "--no-recreate", name)
            self.wait_until_ready(name)

    def wait_until_ready(self, name: str) -> None:
        """Wait until the service's containers are healthy, or have ended if it runs once."""
        started = self.containers(name)
        require(started, f"{name}: no container")
        for container in started:
            if self.services[name].get("restart") == "no":
                code = self.podman("wait", container).strip()
                require(code == "0", f"{container}: exit code {code}\n{self.podman.logs(container)}")
            else:
                self._wait_until_healthy(container)

    def _wait_until_healthy(self, container: str) -> None:
        def healthy() -> bool:
            return self.podman.succeeds("healthcheck", "run", container)

        wait_for(healthy, f"{container}: healthy", HEALTH_SECONDS)

    def containers(self, service: str) -> list[str]:
        """Return the names of a service's containers."""
        label = f"label=io.podman.compose.service={service}"
        return self.podman("ps", "--all", f"--filter={label}", "--format={{.Names}}").split()

    def scale(self, service: str, count: int) -> None:
        """Run that many containers of the service; those that run stay."""
        scale = ("--scale", f"{service}={count}", service)
        self.compose("up", "--detach", "--no-build", "--no-deps", "--no-recreate", *scale)
        self.wait_until_ready(service)
        found = len(self.containers(service))
        require(found == count, f"{service}: {found} containers; expected {count}")

    def restart(self) -> None:
        """Restart all services that stay up, and wait until they are healthy."""
        names = [name for name, service in self.services.items() if service.get("restart") != "no"]
        self.compose("restart", *names)
        for name in names:
            self.wait_until_ready(name)

    def down(self) -> None:
        """Stop the services, dependents first, and remove containers, networks and volumes."""
        for name in reversed(start_order(self.services)):
            for container in self.containers(name):
                self.podman("rm", "--force", "--time", "60", container)
        self.compose("down", "--volumes")

    def run_in(self, service: str, *command: str) -> str:
        """Return the output of a command in a running container of the service."""
        return self.podman("exec", self.containers(service)[0], *command)

    def product(self) -> Product:
        """Return how to read the running product."""
        (key,) = re.findall(r"(?m)^API_KEY=(.*)$", (self.folder / ".env").read_text())
        return Product(
            f"http://127.0.0.1:{self.port}",
            key,
            lambda statement: self.run_in("postgres", *PSQL, statement).strip(),
        )


def start_order(services: Mapping[str, dict]) -> list[str]:
    """Return the services' names, each after those that it depends on."""
    order: list[str] = []

    def add(name: str) -> None:
        for needed in services[name].get("depends_on", ()):
            add(needed)
        if name not in order:
            order.append(name)

    for name in services:
        add(name)
    return order


def without(compose: dict, names: tuple[str, ...]) -> dict:
    """Return the Compose file without some services."""
    services = {name: service for name, service in compose["services"].items() if name not in names}
    return compose | {"services": services}


def with_values(text: str, values: Mapping[str, str]) -> str:
    """Return the text of a .env file with these values in place of the former ones."""
    kept = [line for line in text.splitlines() if line.partition("=")[0] not in values]
    return "\n".join([*kept, *(f"{name}={value}" for name, value in values.items())]) + "\n"


def free_port() -> int:
    """Return a TCP port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
