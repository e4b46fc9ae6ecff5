"""The contract: what SEED=20 answers, through job, database and API, is public/response.json."""

import json
from pathlib import Path

import pytest

from jobs.simulation_run import run_simulation

RESPONSE = Path(__file__).parent.parent / "public" / "response.json"


@pytest.mark.usefixtures("own_environment")
def test_the_answer_after_a_run_equals_the_published_response(client):
    run_simulation(1_800_000_000)

    assert client.get("/api/v1/benchmarks/rankings").json == json.loads(RESPONSE.read_text())
