"""Mock servers, benchmark files that name them, and levels that are valid on a busy machine."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from math import inf
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from llm_measure import validity
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server


class MockServers:
    """Mock servers of a test, each of which can be stopped."""

    def __init__(self) -> None:
        self._running: dict[str, ExitStack] = {}

    def start(self, **behaviour: object) -> str:
        """Start one and return its base URL."""
        stack = ExitStack()
        url = stack.enter_context(running_mock_server(Behaviour(**behaviour)))
        self._running[url] = stack
        return url

    def change(self, url: str, **behaviour: object) -> None:
        """Change the behaviour of one that was started with its control."""
        self._control(url, "PATCH", behaviour)

    def restore(self, url: str) -> None:
        """Restore the behaviour with which one was started."""
        self._control(url, "DELETE", {})

    def _control(self, url: str, method: str, behaviour: dict[str, object]) -> None:
        control = f"{url.removesuffix('/v1')}/control"
        with urlopen(Request(control, json.dumps(behaviour).encode(), method=method), timeout=5):
            pass

    def stop(self, url: str) -> None:
        self._running.pop(url).close()

    def stop_all(self) -> None:
        for url in list(self._running):
            self.stop(url)


@pytest.fixture
def mock_servers() -> Iterator[MockServers]:
    servers = MockServers()
    yield servers
    servers.stop_all()


# By which a busy machine makes a level invalid.
BUSY_LIMITS = ("MAX_LAG_MS", "MAX_BUSY", "MAX_WAIT", "MAX_UNSURE_NS", "MAX_READ_LATE")


@pytest.fixture
def lenient_validity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes a level for valid although this machine is busy, which may also stop it between two requests."""
    for limit in BUSY_LIMITS:
        monkeypatch.setattr(validity, limit, inf)
    monkeypatch.setattr(validity, "MIN_HELD", 0)


@pytest.fixture
def declare_llms(environment: dict[str, str], tmp_path: Path) -> Callable[..., None]:
    """Writes a benchmark file of LLMs by name and base URL, which every process of the test reads."""

    def declare(llms: dict[str, str], workload: str, more: str = "") -> None:
        path = tmp_path / "benchmark.yml"
        lines = [f"  - {{name: {name}, base_url: '{url}', model: mock}}\n" for name, url in llms.items()]
        path.write_text(f"llms:\n{''.join(lines)}workloads:\n  - {{name: chat, {workload}}}\n{more}")
        environment["BENCHMARK_FILE"] = str(path)

    return declare
