import threading
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from rq.job import JobStatus
from rq.timeouts import UnixSignalDeathPenalty
from rq.worker import SimpleWorker

from jobs.simulation_run import fill_slot
from tests.support import query
from tests.web import assert_error, slot
from tests.webapp.conftest import with_key
from webapp.on_demand import LOCK, job_status, request_simulation
from webapp.queue.enqueue import enqueue_simulation
from webapp.queue.json_job import JSONJob
from webapp.queue.queues import runs_queue
from webapp.store import runs, views

URL = "/api/v1/benchmarks/runs"


@pytest.fixture
def fill(conn, settings):
    """Fills the slot of that number with three finished runs, and returns the job's id."""

    def fill(number):
        job_id = f"simulation-{int(slot(number).timestamp())}"
        fill_slot(conn, settings, slot(number), job_id)
        return job_id

    return fill


@pytest.fixture
def claim(conn):
    """Starts runs of a job, which stay unfinished, and returns (token, runs)."""

    def claim(job_id, source="simulation", number=0):
        token = uuid4()
        claimed = runs.claim(
            conn, source=source, scenario="default", slot=slot(number), token=token, job_id=job_id
        )
        conn.commit()
        return token, claimed

    return claim


@pytest.fixture
def queue(redis):
    return runs_queue(redis)


def ids(response) -> list[int]:
    return [run["id"] for run in response.json["runs"]]


def work(redis, queue):
    """Run the queued jobs in this process, as a worker does."""
    worker = SimpleWorker([queue], connection=redis, job_class=JSONJob, serializer=queue.serializer)
    worker.death_penalty_class = UnixSignalDeathPenalty
    worker.work(burst=True, logging_level="WARNING")


class TestTheList:
    def test_without_runs_it_is_empty(self, client, conn):
        assert client.get(URL).json == {"generation": views.generation(conn), "runs": [], "next": None}

    def test_a_run_has_all_its_fields(self, client, fill):
        job_id = fill(1)

        run = client.get(URL).json["runs"][-1]

        assert datetime.fromisoformat(run["slot"]) == slot(1)
        assert 0 < run["duration_s"] < 60
        started, ended = (datetime.fromisoformat(run[name]) for name in ("started_at", "finished_at"))
        assert (ended - started).total_seconds() == pytest.approx(run["duration_s"], abs=1e-5)
        plain = ("job_id", "source", "scenario", "llm_name", "status", "attempts", "points", "error")
        assert [run[name] for name in plain] == [
            job_id, "simulation", "default", "GPT-4o", "finished", 1, 4000, None
        ]  # fmt: skip
        assert run["generation"] is None

    def test_a_running_run_has_neither_end_nor_duration(self, client, claim):
        claim("job")

        run = client.get(URL).json["runs"][0]

        assert [run[name] for name in ("status", "finished_at", "duration_s", "points")] == [
            "running", None, None, None
        ]  # fmt: skip

    def test_pages_list_every_run_once_newest_first(self, client, fill):
        fill(1)
        fill(2)
        seen, cursor = [], ""
        while cursor is not None:
            page = client.get(f"{URL}?limit=4{cursor}")
            seen.append(ids(page))
            following = page.json["next"]
            cursor = f"&cursor={following}" if following else None

        assert [len(page) for page in seen] == [4, 2]
        every = [number for page in seen for number in page]
        assert every == sorted(set(every), reverse=True)

    def test_runs_that_start_between_two_pages_shift_nothing(self, client, fill):
        fill(1)
        first = client.get(f"{URL}?limit=2")
        fill(2)

        second = client.get(f"{URL}?limit=2&cursor={first.json['next']}")

        assert len({*ids(first), *ids(second)}) == 3
        assert second.json["next"] is None

    def test_a_full_last_page_has_no_next(self, client, fill):
        fill(1)

        assert client.get(f"{URL}?limit=3").json["next"] is None

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ("status=finished", 3),
            ("status=running", 3),
            ("status=failed", 0),
            ("source=simulation", 3),
            ("source=measurement", 3),
            ("scenario=default", 6),
            ("llm=GPT-4o", 2),
            ("llm=GPT-4o&status=running", 1),
            ("job_id=running", 3),
            ("job_id=nope", 0),
            ("source=measurement&status=finished", 0),
        ],
    )
    def test_only_runs_that_match_every_filter_are_listed(self, client, fill, claim, asked, found):
        fill(1)
        claim("running", source="measurement")

        assert len(client.get(f"{URL}?{asked}").json["runs"]) == found

    @pytest.mark.parametrize(
        "asked",
        ["status=queued", "source=dream", "scenario=nope", "llm=nope", "limit=0", "limit=201", "limit=x",
         "limit=", "cursor=0", "cursor=-1", "cursor=x", "cursor=9223372036854775808", "cursor=" + "9" * 5000,
         "job_id=", "job_id=%00", "offset=1", "limit=1&limit=2"],
    )  # fmt: skip
    def test_the_error_names_the_invalid_filter(self, client, asked):
        error = assert_error(client.get(f"{URL}?{asked}"), 422)

        assert asked.partition("=")[0] in str(error)

    def test_it_is_304_until_a_run_changes_even_without_a_new_generation(self, client, claim, conn):
        token, claimed = claim("job")
        held = {"If-None-Match": client.get(URL).headers["ETag"]}
        assert client.get(URL, headers=held).status_code == 304
        generation = views.generation(conn)

        runs.fail(conn, claimed, token, "why")
        conn.commit()

        changed = client.get(URL, headers=held)
        assert changed.status_code == 200
        assert {run["error"] for run in changed.json["runs"]} == {"why"}
        assert changed.json["generation"] == generation

    def test_it_works_without_redis(self, own_client, own_redis, fill):
        fill(1)
        own_redis.stop()

        assert len(own_client.get(URL).json["runs"]) == 3


class TestOneRunOrJob:
    def test_a_number_is_a_run(self, client, fill):
        fill(1)
        listed = client.get(URL).json["runs"][0]

        assert client.get(f"{URL}/{listed['id']}").json == listed

    def test_a_job_that_redis_no_longer_has_is_found_by_its_runs(self, client, fill):
        job_id = fill(1)

        job = client.get(f"{URL}/{job_id}").json

        assert (job["job_id"], job["status"], len(job["runs"])) == (job_id, "finished", 3)

    def test_a_queued_job_has_no_runs_yet(self, client, queue, settings):
        enqueue_simulation(queue, settings, 4_102_473_600)

        job = client.get(f"{URL}/simulation-4102473600").json

        assert (job["status"], job["runs"]) == ("queued", [])

    @pytest.mark.parametrize(
        ("status", "shown"),
        [
            (JobStatus.QUEUED, "queued"),
            (JobStatus.SCHEDULED, "queued"),
            (JobStatus.STARTED, "running"),
            (JobStatus.FINISHED, "finished"),
            (JobStatus.FAILED, "failed"),
            (JobStatus.STOPPED, "failed"),
            (JobStatus.CANCELED, "failed"),
        ],
    )
    def test_rqs_statuses_are_mapped_to_ours(self, client, redis, queue, settings, status, shown):
        enqueue_simulation(queue, settings, 4_102_473_600)
        redis.hset(JSONJob.key_for("simulation-4102473600"), "status", status.value)

        assert client.get(f"{URL}/simulation-4102473600").json["status"] == shown

    def test_a_job_is_running_until_all_its_runs_have_ended(self, client, claim, conn):
        token, claimed = claim("job")
        runs.finish(conn, claimed[:1], 4000)
        conn.commit()
        assert client.get(f"{URL}/job").json["status"] == "running"

        runs.fail(conn, claimed[1:], token, "why")
        conn.commit()
        assert client.get(f"{URL}/job").json["status"] == "failed"

    def test_without_redis_the_status_of_a_job_comes_from_its_runs(self, own_client, own_redis, fill):
        job_id = fill(1)
        own_redis.stop()

        assert own_client.get(f"{URL}/{job_id}").json["status"] == "finished"
        assert_error(own_client.get(f"{URL}/simulation-1"), 503)

    @pytest.mark.parametrize(
        "name",
        ["1", "0", "999999999999999999", "9" * 5000, "simulation-1", "simulation-", "every-simulation",
         "nope", "%00", "%ED%A0%80", "é", "\u0663", "-1", "1.5", "*"],
    )  # fmt: skip
    def test_an_unknown_run_or_job_is_404(self, client, name):
        assert_error(client.get(f"{URL}/{name}"), 404)

    def test_an_entry_of_the_schedule_is_not_a_job(self, client, redis):
        redis.hset(JSONJob.key_for("every-simulation"), "status", "queued")

        assert_error(client.get(f"{URL}/every-simulation"), 404)

    def test_a_client_with_the_current_job_gets_304(self, client, fill):
        job_id = fill(1)
        held = {"If-None-Match": client.get(f"{URL}/{job_id}").headers["ETag"]}

        assert client.get(f"{URL}/{job_id}", headers=held).status_code == 304

    def test_an_argument_is_refused(self, client, fill):
        assert_error(client.get(f"{URL}/{fill(1)}?limit=1"), 422)


class TestOneOnDemand:
    def test_is_enqueued_and_its_url_returned(self, client, queue):
        before = int(datetime.now(UTC).timestamp())

        response = client.post(URL)

        job = response.json
        assert (response.status_code, job["status"], job["runs"]) == (202, "queued", [])
        assert before <= int(job["job_id"].removeprefix("simulation-")) <= before + 2
        assert response.headers["Location"] == f"{URL}/{job['job_id']}"
        assert client.get(response.headers["Location"]).json == job
        assert queue.job_ids == [job["job_id"]]

    def test_that_is_still_queued_is_returned_again(self, client, queue):
        first = client.post(URL)

        again = client.post(URL)

        assert (again.status_code, again.json) == (202, first.json)
        assert again.headers["Location"] == first.headers["Location"]
        assert len(queue) == 1

    def test_is_enqueued_once_for_concurrent_requests(self, make_app, queue):
        answers = []

        def request(client) -> None:
            answers.append(client.post(URL))

        threads = [threading.Thread(target=request, args=(with_key(make_app()),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [response.status_code for response in answers] == [202] * 8
        assert len({response.json["job_id"] for response in answers}) == 1
        assert len(queue) == 1

    @pytest.mark.parametrize("status", ["started", "finished", "failed"])
    def test_that_is_no_longer_queued_is_followed_by_another(self, redis, settings, status):
        first = request_simulation(redis, settings, clock=lambda: 1)
        redis.hset(JSONJob.key_for(first), "status", status)

        second = request_simulation(redis, settings, clock=lambda: 2)

        assert (first, second) == ("simulation-1", "simulation-2")
        assert job_status(redis, second) == "queued"

    def test_that_expired_in_the_queue_is_followed_by_another(self, redis, settings):
        redis.delete(JSONJob.key_for(request_simulation(redis, settings, clock=lambda: 1)))

        assert request_simulation(redis, settings, clock=lambda: 2) == "simulation-2"

    def test_is_refused_while_another_process_keeps_enqueueing(self, client, redis, queue):
        with redis.lock(LOCK, timeout=60):
            response = client.post(URL)

        error = assert_error(response, 503)
        assert error["message"] == "Another change is in progress; try again in a moment"
        assert int(response.headers["Retry-After"]) > 0
        assert len(queue) == 0

    @pytest.mark.usefixtures("own_environment")
    def test_is_finished_after_a_worker_has_run_it(self, client, redis, queue, conn):
        url = client.post(URL).headers["Location"]

        work(redis, queue)

        job = client.get(url).json
        assert (job["status"], {run["status"] for run in job["runs"]}) == ("finished", {"finished"})
        assert query(conn, "SELECT count(*) FROM points") == [(12_000,)]

    def test_an_argument_is_refused(self, client, queue):
        assert_error(client.post(f"{URL}?llm=GPT-4o"), 422)
        assert len(queue) == 0

    def test_is_refused_without_redis(self, own_client, own_redis):
        own_redis.stop()

        error = assert_error(own_client.post(URL), 503)
        assert error["message"] == "Redis unreachable; try again in a moment"

    def test_is_refused_while_redis_hangs(self, own_client, hang):
        hang()

        assert_error(own_client.post(URL), 503)


@pytest.mark.parametrize(("method", "url"), [("GET", URL), ("POST", URL), ("GET", f"{URL}/1")])
def test_an_api_key_is_required(stranger, queue, method, url):
    assert_error(stranger.open(url, method=method), 401)
    assert len(queue) == 0
