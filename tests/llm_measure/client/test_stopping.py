"""How a level ends early: stopped, by an exception, or because a process of it has died."""

import signal
import threading
import time
from multiprocessing import active_children

import psutil
import pytest

from llm_measure.client.level import measure_level
from llm_measure.client.processes import ClientProcessError
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.workloads import Load, Workload
from tests.llm_measure.client.measured import STREAM, errors
from tests.llm_measure.interpreter import python
from tests.llm_measure.scripted import scripted, whole
from tests.web import wait_until

LONG = Load(concurrency=4, duration_s=60)


@pytest.fixture
def slow():
    """An endpoint that sends a token and no end."""
    with running_mock_server(Behaviour(ttft=0.02, itl=60)) as url:
        yield Endpoint(url, "m")


@pytest.mark.parametrize("processes", [1, 2])
def test_a_stop_cancels_requests_in_flight(slow, processes):
    stop = threading.Event()

    def when_sent(progress):
        if progress.sent == 4 and progress.elapsed_s > 1:
            stop.set()

    result = measure_level(slow, Workload(), LONG, processes=processes, on_progress=when_sent, stop=stop)

    assert errors(result) == {"cancelled": 4}
    assert all(record.first_token_ns for record in result.records)


def test_a_stop_may_come_in_the_very_moment_of_a_response():
    with running_mock_server(Behaviour(ttft=0, itl=0)) as url:
        for _ in range(8):
            stop = threading.Event()
            threading.Timer(0.1, stop.set).start()
            load = Load(concurrency=64, duration_s=10)
            result = measure_level(Endpoint(url, "m"), Workload(output_tokens=1), load, stop=stop)
            assert set(errors(result)) <= {None, "cancelled"}


def test_a_stop_ends_an_open_loop_before_its_plan_is_done(slow):
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()

    result = measure_level(slow, Workload(), Load(rate=20, duration_s=60), stop=stop)

    assert set(errors(result)) == {"cancelled"}


class ProgressError(Exception):
    pass


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("load", [LONG, Load(rate=20, duration_s=60)])
def test_an_exception_in_on_progress_ends_the_level_and_is_raised(slow, load, processes):
    def fail(progress):
        raise ProgressError("out of paper")

    begun = time.monotonic()
    with pytest.raises(ProgressError, match="out of paper"):
        measure_level(slow, Workload(), load, processes=processes, on_progress=fail)
    assert time.monotonic() - begun < 20

    stop = threading.Event()
    threading.Timer(1, stop.set).start()
    assert set(errors(measure_level(slow, Workload(), load, processes=processes, stop=stop))) == {"cancelled"}


def test_a_client_process_that_dies_ends_the_level(slow):
    others = set(active_children())

    def kill_one(progress):
        if progress.sent == 4:
            next(child for child in active_children() if child not in others).kill()

    with pytest.raises(ClientProcessError, match="a client process died"):
        measure_level(slow, Workload(), LONG, processes=2, on_progress=kill_one)

    assert set(active_children()) == others


ENDLESS = """
from llm_measure import Endpoint, Load, measure

if __name__ == "__main__":
    measure(Endpoint("{url}", "m"), load=Load(concurrency=2, duration_s=60), processes=2)
"""


def test_client_processes_stop_loading_the_endpoint_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "script.py"
    with scripted(0.01, whole(STREAM), keep=True) as server:
        script.write_text(ENDLESS.format(url=server.url))
        with python(script) as process:
            wait_until(lambda: len(server.requests) > 20, 30)
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
            process.wait()
            _, alive = psutil.wait_procs(family, timeout=10)
        sent = len(server.requests)
        time.sleep(0.2)

    assert alive == []
    assert len(server.requests) == sent
