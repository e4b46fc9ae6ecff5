"""A search for the capacity stored: its requests, its one point, and a run that is ranked or is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf

import pytest

from llm_measure.capacity import Attained, Search
from tests.measured import failed
from tests.searched import EACH, found, searched, step, store_search
from tests.support import query
from webapp.ingest.persist import rederive, rederive_ranked
from webapp.ingest.publish import publish
from webapp.ingest.rebuild import rebuild_days, rebuild_points, rebuild_rankings
from webapp.ingest.verify import differences
from webapp.store import runs

SLOT = datetime(2026, 11, 24, 12, tzinfo=UTC)
BY_CONCURRENCY = Search("concurrency", {"ttft:p95": 0.5})


@pytest.fixture
def keep(conn, settings, redis):
    """Stores a search as the run of SLOT and publishes it."""

    def keep(result, what=None, slot=SLOT):
        failure = store_search(conn, settings, redis, slot, result, what)
        publish(conn, settings, redis)
        return failure

    return keep


def outcome(conn) -> tuple:
    """Status, points and reason of the only run."""
    ((status, points, reason),) = query(conn, "SELECT status, points, invalid_reason FROM runs")
    return status, points, reason


def ranked(client, scenario: str = "chat@max") -> dict[str, dict[str, float]]:
    answer = client.get(f"/api/v1/benchmarks/leaderboard?source=measurement&scenario={scenario}")
    assert answer.status_code == 200, answer.data
    return {
        board["metric"]: {row["llm_name"]: row["mean"] for row in board["llms"]}
        for board in answer.json["metrics"]
    }


def test_a_search_is_one_run_with_all_its_requests_and_one_point(conn, keep, client):
    assert keep(found(12.0, 13.0)) is None

    assert outcome(conn) == ("finished", 1, None)
    assert query(conn, "SELECT level, count(*), min(number) FROM requests GROUP BY level ORDER BY 3") == [
        ("poisson 12/s", EACH, 0),
        ("poisson 13/s", EACH, EACH),
    ]
    assert query(conn, "SELECT name, value FROM points JOIN metrics ON id = metric_id") == [("capacity", 12)]
    assert ranked(client) == {"capacity": {"Measured": 12}}


def test_what_describes_the_run_is_of_all_levels(conn, keep):
    keep(found(12.0, 13.0))

    ((described,),) = query(conn, "SELECT measurement FROM runs")
    assert described["find"] == found(12.0, 13.0).to_dict()
    assert (described["level"], described["requests"], described["errors"]) == ("capacity by rate", 6, {})
    assert described["client_cpu_s"] == 0.5
    assert described["duration_s"] == pytest.approx(5.2, abs=0.1)
    assert not {"offered_rate", "achieved_rate", "saturated", "span_ns"} & described.keys()


def test_of_a_search_by_concurrency_the_capacity_is_the_throughput_there(conn, keep, client):
    path = [step(8, "met", throughput=6.0), step(32, "missed", throughput=9.0), step(16, "met", throughput=8)]

    keep(found(16, 17, search=BY_CONCURRENCY, path=path))

    assert ranked(client, "chat@max-concurrency") == {"capacity": {"Measured": 8}}


def test_of_a_rate_of_conversations_the_capacity_is_the_throughput_of_their_turns(conn, keep, client):
    path = [step(12.0, "met", throughput=45.0), step(13.0, "missed", throughput=47.0)]

    keep(found(12.0, 13.0, path=path, turns=True, capacity=12.5))

    answer = client.get("/api/v1/benchmarks/leaderboard?source=measurement&scenario=chat@max").json
    (row,) = answer["metrics"][0]["llms"]
    assert (row["mean"], row["ci_low"], row["ci_high"]) == (45, 45, 47)
    find = row["newest_run"]["measurement"]["find"]
    assert (find["capacity"], find["unit"]) == (12.5, "conversations/s")


def test_an_endpoint_that_never_meets_the_objectives_is_ranked_last(conn, keep, client):
    keep(found(12.0, 13.0), searched("Fast"))
    keep(found(None, 0.1), searched("Slow"))

    assert ranked(client) == {"capacity": {"Fast": 12, "Slow": 0}}


def test_the_interval_of_a_single_search_is_its_bracket_so_that_ranks_are_known(conn, keep, client):
    path = [step(8, "met", throughput=6.0), step(9, "missed", throughput=6.5)]
    keep(found(12.0, 13.0), searched("Fast"))
    keep(found(6.0, 6.5), searched("Slow"))
    keep(found(None, 0.1), searched("Slowest"))
    keep(found(8, 9, search=BY_CONCURRENCY, path=path), searched("Alone", BY_CONCURRENCY))

    def rows(scenario: str) -> list[tuple]:
        answer = client.get(f"/api/v1/benchmarks/leaderboard?source=measurement&scenario={scenario}").json
        names = ("llm_name", "rank", "rank_worst", "mean", "ci_low", "ci_high")
        return [tuple(row[name] for name in names) for row in answer["metrics"][0]["llms"]]

    assert rows("chat@max") == [
        ("Fast", 1, 1, 12, 12, 13),
        ("Slow", 2, 2, 6, 6, 6.5),
        ("Slowest", 3, 3, 0, 0, 0.1),
    ]
    assert rows("chat@max-concurrency") == [("Alone", 1, 1, 6, 6, 6.5)]


def test_over_several_searches_the_interval_is_that_of_their_mean(conn, keep, client):
    now = datetime.now(UTC).replace(microsecond=0)
    for hours, low in ((1, 12.0), (2, 14.0)):
        keep(found(low, low + 1), slot=now - timedelta(hours=hours))

    answer = client.get("/api/v1/benchmarks/leaderboard?source=measurement&scenario=chat@max&window=24h").json

    ((row,),) = (board["llms"] for board in answer["metrics"])
    assert (row["n"], row["mean"]) == (2, 13)
    assert row["ci_low"] < 12
    assert row["ci_high"] > 14


def test_an_undecided_search_is_ranked_if_its_bracket_is_narrow_enough_to_compare(conn, keep, client):
    assert keep(found(12.0, 17.0, decided=False)) is None

    assert outcome(conn) == ("finished", 1, None)
    assert ranked(client) == {"capacity": {"Measured": 12}}


@pytest.mark.parametrize(
    ("low", "high", "between"),
    [
        (8.0, 16.0, "8 to 16 requests/s"),
        (8.0, None, "at least 8 requests/s"),
        (None, 8.0, "less than 8 requests/s"),
    ],
)
def test_an_undecided_search_is_invalid_and_names_its_bracket(conn, keep, client, low, high, between):
    assert keep(found(low, high, decided=False)) is None

    reason = f"undecided after {EACH * (2 if low and high else 1)} requests; the capacity is {between}"
    assert outcome(conn) == ("invalid", 0, reason)
    assert ranked(client) == {"capacity": {}}


def test_a_search_whose_endpoint_stopped_answering_is_not_ranked_however_narrow_its_bracket(
    conn, keep, client
):
    reason = "the endpoint stopped answering: all 64 requests failed with connect"

    assert keep(found(12.0, 13.0, capacity=None, decided=False, reason=reason)) is None

    assert outcome(conn) == ("invalid", 0, f"{reason}; the capacity is 12 to 13 requests/s")
    assert ranked(client) == {"capacity": {}}


def test_an_undecided_search_by_concurrency_names_its_bracket(conn, keep):
    keep(found(8, 16, search=BY_CONCURRENCY, decided=False))

    assert outcome(conn)[2].endswith("; the capacity is 8 to 16 concurrent requests")


def test_an_undecided_search_by_concurrency_may_know_no_load_that_meets_the_objectives(conn, keep):
    path = [step(8, "undecided", throughput=6.0), step(16, "missed", throughput=7.0)]
    result = found(None, 16, search=BY_CONCURRENCY, decided=False, path=path)

    keep(replace(result, capacity=9))

    assert outcome(conn)[2].endswith("; the capacity is less than 16 concurrent requests")


UNDECIDED = [step(12.0, "met"), step(24.0, "undecided")]


def test_a_level_that_the_client_could_not_hold_makes_the_run_invalid(conn, keep):
    late = "the client was the limit at 24: it used 99% of a processor"

    keep(found(12.0, None, capacity=None, decided=False, path=UNDECIDED, reason=late))

    assert outcome(conn) == ("invalid", 0, f"{late}; the capacity is at least 12 requests/s")


def test_a_search_that_was_stopped_in_a_level_says_so(conn, keep):
    result = found(12.0, None, capacity=None, decided=False, path=UNDECIDED)
    result.levels[1] = replace(result.levels[1], valid=False, invalid_reason="stopped after 3600 s")

    keep(result)

    reason = "poisson 24/s: stopped after 3600 s; the capacity is at least 12 requests/s"
    assert outcome(conn) == ("invalid", 0, reason)


def test_a_level_that_was_valid_when_it_was_measured_again_does_not_cost_the_run(conn, keep):
    result = found(12.0, 13.0)
    result.levels[0] = replace(result.levels[0], valid=False, invalid_reason="the client was late")

    keep(result)

    assert outcome(conn) == ("finished", 1, None)


def test_a_search_without_one_correct_response_is_a_failed_run(conn, keep):
    result = found(None, 0.1)
    result.levels[0] = replace(result.levels[0], records=[failed(0), failed(1)])

    assert keep(result).startswith("all 2 requests failed (timeout 2)")
    assert outcome(conn)[0] == "failed"


def test_infinite_bounds_are_stored_as_unknown(conn, keep):
    at_least = replace(step(12.0, "met"), attained={"ttft:p95": Attained(0.3, 0.2, inf, "met")})

    keep(found(12.0, 13.0, path=[at_least]))

    ((attained,),) = query(conn, "SELECT measurement #> '{find,path,0,attained,ttft:p95}' FROM runs")
    assert (attained["low"], attained["high"]) == (0.2, None)


def test_the_point_is_derived_again_from_what_was_found(conn, keep):
    keep(found(12.0, 13.0))
    ((run_id,),) = query(conn, "SELECT id FROM runs")

    for derived in (rederive(conn, run_id), rederive_ranked(conn, run_id)):
        assert {name: values.tolist() for name, values in derived.items()} == {"capacity": [12]}


def test_verify_finds_nothing_and_rebuild_restores_what_was_lost(conn, keep, settings, redis, client):
    now = datetime.now(UTC).replace(microsecond=0)
    keep(found(12.0, 13.0), slot=now - timedelta(hours=2))
    keep(found(8.0, None, decided=False), slot=now - timedelta(hours=1))
    conn.commit()
    assert list(differences(conn, settings, now)) == []
    conn.rollback()

    with conn, conn.cursor() as cursor:
        cursor.execute("UPDATE points SET value = 7; DELETE FROM rollups; DELETE FROM period_rollups")
    assert [each.changed for each in rebuild_points(conn, redis)] == [True]
    list(rebuild_days(conn, redis, settings, now))
    rebuild_rankings(conn, redis, now)

    assert list(differences(conn, settings, now)) == []
    conn.rollback()
    assert ranked(client) == {"capacity": {"Measured": 12}}


def test_the_newest_search_is_known_decided_or_not(conn, keep):
    assert runs.newest_find(conn, "Measured", "chat@max") is None
    keep(found(12.0, 13.0))
    keep(found(8.0, 16.0, decided=False), slot=SLOT + timedelta(hours=1))

    newest = runs.newest_find(conn, "Measured", "chat@max")

    assert newest is not None
    assert (newest["low"], newest["high"], newest["decided"]) == (8, 16, False)
