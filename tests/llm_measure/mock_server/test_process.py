from urllib.error import URLError
from urllib.request import urlopen

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
