"""The contract: with SEED=20, the response that job, database and API produce is public/response.json."""

import json
from pathlib import Path

import pytest

from jobs.simulation_run import run_simulation

RESPONSE = Path(__file__).parent.parent / "public" / "response.json"


@pytest.mark.usefixtures("own_environment")
def test_the_response_after_a_run_equals_the_published_response(client):
    run_simulation(4_102_473_600)

    assert client.get("/api/v1/benchmarks/rankings").json == json.loads(RESPONSE.read_text())
