"""Regions in the API: a filter next to the scenario, of which the region is a part."""

from datetime import UTC, datetime

import pytest

from tests.measured import answered, level, measurement, store_level
from webapp.ingest.publish import publish
from webapp.queries import LeaderboardQuery, answer_name
from webapp.scenarios import split

URL = "/api/v1/benchmarks"
NOW = datetime.now(UTC).replace(microsecond=0)
TTFT = {"chat@c8": 0.1, "chat@c8@eu": 0.2, "chat@c8@us": 0.3}
MEASURED = "source=measurement"
# What may be asked, and the scenario that it names.
WAYS = {
    "scenario=chat@c8": "chat@c8",
    "scenario=chat@c8&region=eu": "chat@c8@eu",
    "scenario=chat@c8@us": "chat@c8@us",
    "scenario=chat@c8@us&region=us": "chat@c8@us",
}
REFUSED = {
    "scenario=chat@c8@us&region=eu": "contradicts the scenario, which is in us; expected one of both",
    "scenario=default&region=eu": "needs a measured scenario, such as chat@c8",
    "scenario=chat@c8&region=E": "must be 1 to 31 of the characters a-z, 0-9 and -",
}


@pytest.fixture
def measured(conn, settings, redis):
    """One LLM, measured without a region and from two."""
    for name, ttft in TTFT.items():
        of_region = measurement(region=split(name).region)
        store_level(conn, settings, redis, NOW, of_region, level([answered(0, ttft)]))
    publish(conn, settings, redis)


def test_each_region_is_ranked_by_itself_and_named_in_either_way(client, measured):
    for asked, scenario in WAYS.items():
        response = client.get(f"{URL}/leaderboard?{MEASURED}&metric=ttft&{asked}").json

        assert (response["scenario"], response["scenarios"]) == (scenario, list(TTFT)), asked
        (row,) = response["metrics"][0]["llms"]
        assert row["mean"] == pytest.approx(TTFT[scenario]), asked


def test_both_ways_share_a_response_in_the_cache():
    separate, joined = (
        answer_name("leaderboard", LeaderboardQuery().load(asked))
        for asked in ({"scenario": "chat@c8", "region": "eu"}, {"scenario": "chat@c8@eu"})
    )

    assert separate == joined


@pytest.mark.parametrize("path", ["leaderboard", "history/ttft", "points"])
def test_a_region_that_does_not_fit_is_refused_by_name(client, path):
    for asked, problem in REFUSED.items():
        response = client.get(f"{URL}/{path}?{MEASURED}&{asked}")

        assert response.status_code == 422, asked
        assert problem in str(response.json["errors"]["query"]["region"]), asked


def test_an_unknown_region_of_a_scenario_is_refused_with_what_is_known(client, measured):
    response = client.get(f"{URL}/leaderboard?{MEASURED}&scenario=chat@c8&region=asia")

    assert response.status_code == 422
    assert "'chat@c8@asia': unknown scenario; expected one of chat@c8, chat@c8@eu" in response.json["message"]


def test_runs_have_their_region_and_runs_points_and_availability_are_listed_by_it(client, measured):
    for asked in ("region=eu", "scenario=chat@c8&region=eu", "scenario=chat@c8@eu"):
        (run,) = client.get(f"{URL}/runs?{asked}").json["runs"]
        assert (run["scenario"], run["region"]) == ("chat@c8@eu", "eu")
    assert {run["region"] for run in client.get(f"{URL}/runs").json["runs"]} == {None, "eu", "us"}

    asked = "scenario=chat@c8&region=eu&metric=ttft"
    _, *points = client.get(f"{URL}/points?{MEASURED}&{asked}").text.splitlines()
    assert [point.split(",")[4] for point in points] == ["chat@c8@eu"]

    for asked, finished in (("", 3), ("&region=eu", 1), ("&scenario=chat@c8", 1)):
        (llm,) = client.get(f"{URL}/availability?{MEASURED}{asked}").json["llms"]
        assert llm["finished"] == finished, asked
    assert client.get(f"{URL}/changes?region=eu").json["changes"] == []


def test_an_llm_is_recommended_by_its_speed_from_a_region(client, measured):
    asked = {
        "region=us": "chat@c8@us",
        "workload=chat&region=eu": "chat@c8@eu",
        "workload=chat@c8&region=eu": "chat@c8@eu",
        "workload=chat@c8": "chat@c8",
    }
    for each, scenario in asked.items():
        response = client.get(f"{URL}/recommendation?objective=ttft&window=24h&{each}").json
        assert (response["scenario"], response["value"]) == (scenario, pytest.approx(TTFT[scenario])), each

    response = client.get(f"{URL}/recommendation?objective=ttft&workload=chat&region=asia")
    assert response.status_code == 422
    assert "nothing of that workload was measured from there" in response.json["message"]
