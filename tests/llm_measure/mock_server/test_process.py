import subprocess
import sys
from urllib.error import URLError
from urllib.request import urlopen

from tests.web import wait_until
from webapp.settings import ROOT

STARTER = """
import time
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
if __name__ == "__main__":
    with running_mock_server(Behaviour()) as url:
        print(url, flush=True)
        time.sleep(60)
"""


def answers(url: str) -> bool:
    try:
        with urlopen(url.replace("/v1", "/health"), timeout=5) as response:
            return response.status == 200
    except URLError:
        return False


def test_a_mock_server_ends_with_the_process_that_it_stands_beside_however_that_ends(tmp_path):
    script = tmp_path / "starter.py"
    script.write_text(STARTER)
    starter = subprocess.Popen(
        [sys.executable, script], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
    url = starter.stdout.readline().strip()
    assert answers(url)

    starter.kill()
    starter.wait()

    wait_until(lambda: not answers(url))
