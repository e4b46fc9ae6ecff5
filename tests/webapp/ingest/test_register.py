from dataclasses import replace

import pytest

from llm_measure.workloads import Load, Workload
from tests.measured import measurement
from tests.support import query
from webapp.ingest.register import ChangedScenarioError, refuse_changed, register


def test_a_new_llm_is_added_but_not_simulated_and_its_workload_described(conn, settings, redis, client):
    register(conn, settings, redis, measurement())

    rows = query(conn, "SELECT company_name, provider, simulated FROM llms WHERE name = 'Measured'")
    assert rows == [("us", "us", False)]
    assert "Measured" in {llm["name"] for llm in client.get("/api/v1/llms").json["llms"]}
    assert query(conn, "SELECT description FROM scenarios WHERE name = 'chat@c8'") == [
        ("128 input tokens, 128 output tokens, concurrency 8",)
    ]


def test_an_llm_that_is_there_already_stays_as_it_is(conn, settings, redis):
    register(conn, settings, redis, measurement("GPT-4o"))

    rows = query(conn, "SELECT company_name, simulated FROM llms WHERE name = 'GPT-4o'")
    assert rows == [("openai", True)]


def test_declaring_twice_changes_nothing(conn, settings, redis):
    for _ in range(2):
        register(conn, settings, redis, measurement())

    assert query(conn, "SELECT count(*) FROM llms") == [(4,)]
    assert query(conn, "SELECT count(*) FROM scenarios") == [(2,)]


def test_a_workload_that_asks_something_else_under_its_name_is_refused(conn, settings, redis):
    register(conn, settings, redis, measurement())
    changed = measurement(workload=Workload(output_tokens=99, timeout_s=3))

    with pytest.raises(ChangedScenarioError, match="scenario chat@c8: output_tokens, slo, timeout_s changed"):
        refuse_changed(conn, changed.scenario, changed.definition)


def test_more_requests_and_another_seed_ask_nothing_else(conn, settings, redis):
    what = measurement()
    register(conn, settings, redis, what)
    more = replace(
        what, load=Load(concurrency=8, requests=400, warmup=9), workload=replace(what.workload, seed=7)
    )

    refuse_changed(conn, more.scenario, more.definition)
