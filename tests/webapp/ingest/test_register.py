from dataclasses import replace

import pytest

from llm_measure.endpoints import Endpoint
from llm_measure.workloads import Load, Workload
from tests.measured import measurement
from tests.support import query
from webapp.ingest.register import ChangedScenarioError, refuse_changed, register


def test_a_new_llm_is_added_without_being_simulated_and_its_scenario_described(conn, settings, redis, client):
    register(conn, settings, redis, measurement())

    rows = query(conn, "SELECT company_name, provider, simulated FROM llms WHERE name = 'Measured'")
    assert rows == [("us", "us", False)]
    assert "Measured" in {llm["name"] for llm in client.get("/api/v1/llms").json["llms"]}
    assert query(conn, "SELECT description FROM scenarios WHERE name = 'chat@c8'") == [
        ("128 input tokens, 128 output tokens, concurrency 8",)
    ]


def test_an_existing_llm_is_not_changed(conn, settings, redis):
    register(conn, settings, redis, measurement("GPT-4o"))

    rows = query(conn, "SELECT company_name, simulated FROM llms WHERE name = 'GPT-4o'")
    assert rows == [("openai", True)]


def test_registering_twice_changes_nothing(conn, settings, redis):
    for _ in range(2):
        register(conn, settings, redis, measurement())

    assert query(conn, "SELECT count(*) FROM llms") == [(4,)]
    assert query(conn, "SELECT count(*) FROM scenarios") == [(2,)]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"workload": Workload(output_tokens=99, timeout_s=3)}, "output_tokens, slo, timeout_s"),
        ({"endpoint": Endpoint("http://127.0.0.1:9/v1", "m", "completions")}, "api"),
    ],
)
def test_a_different_definition_under_the_same_name_is_refused(conn, settings, redis, changes, named):
    register(conn, settings, redis, measurement())

    with pytest.raises(ChangedScenarioError, match=f"scenario chat@c8: {named} changed"):
        refuse_changed(conn, "chat@c8", measurement(**changes).definition)


def test_the_same_workload_through_another_api_is_another_scenario(conn, settings, redis):
    for api in ("chat", "completions"):
        register(conn, settings, redis, measurement(endpoint=Endpoint("http://127.0.0.1:9/v1", "m", api)))

    assert query(
        conn, "SELECT name, definition ->> 'api' FROM scenarios WHERE definition IS NOT NULL ORDER BY id"
    ) == [("chat@c8", "chat"), ("chat@c8-completions", "completions")]


def test_the_caller_commits(conn, settings, redis):
    register(conn, settings, redis, measurement("GPT-4o"))
    conn.rollback()

    assert query(conn, "SELECT count(*) FROM scenarios") == [(1,)]


def test_the_number_of_requests_and_the_seed_may_change(conn, settings, redis):
    what = measurement()
    register(conn, settings, redis, what)
    more = replace(
        what, load=Load(concurrency=8, requests=400, warmup=9), workload=replace(what.workload, seed=7)
    )

    refuse_changed(conn, more.scenario, more.definition)
