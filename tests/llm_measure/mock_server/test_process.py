from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil

from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.llm_measure.interpreter import python
from tests.web import wait_until

STARTER = """
import time
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
if __name__ == "__main__":
    with running_mock_server(Behaviour()) as url:
        print(url, flush=True)
        time.sleep(60)
"""


def responds(url: str) -> bool:
    try:
        with urlopen(url.replace("/v1", "/health"), timeout=5) as response:
            return response.status == 200
    except URLError:
        return False


def test_a_mock_server_ends_when_the_process_that_started_it_is_killed(tmp_path):
    script = tmp_path / "starter.py"
    script.write_text(STARTER)
    with python(script) as starter:
        url = starter.stdout.readline().strip()
        assert responds(url)

        starter.kill()
        starter.wait()

        wait_until(lambda: not responds(url))


def test_several_processes_serve_one_port():
    with running_mock_server(Behaviour(), processes=2) as url:
        port = urlsplit(url).port
        serving = [
            child.pid
            for child in psutil.Process().children(recursive=True)
            if any(each.status == "LISTEN" and each.laddr.port == port for each in child.net_connections())
        ]
        assert responds(url)

    assert len(serving) == 2
    assert not responds(url)
