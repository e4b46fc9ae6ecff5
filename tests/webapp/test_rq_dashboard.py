import pickle
import re
import time
from base64 import b64encode
from urllib.parse import quote

import pytest
from rq import SimpleWorker, Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from tests.support import KEY
from tests.web import assert_error, assert_strict, wait_until
from webapp.auth import WRONG_KEYS_PER_MINUTE
from webapp.queue.json_job import JSONJob
from webapp.queue.queues import QUEUE_NAME, runs_queue

ORIGIN = {"Origin": "http://localhost"}
JOB = "simulation-1"
QUICK_SECONDS = 1.5


@pytest.fixture
def environment(without_database):
    return without_database


def signed_in(password, user="anyone"):
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def visitor(app):
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = signed_in(KEY)["Authorization"]
    return client


@pytest.fixture
def visit(app):
    """A client that is signed in."""
    return visitor(app)


def nonce(response):
    return re.search(r"'nonce-([^']+)'", response.headers["Content-Security-Policy"])[1]


@pytest.fixture
def queue(redis):
    return runs_queue(redis)


def work(queue):
    """Run all queued jobs in this process."""
    worker = SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer, job_class=JSONJob)
    worker.work(burst=True, logging_level=None)


@pytest.fixture
def failed_job(queue):
    """The id of a job that has failed."""
    queue.enqueue_call("operator.truediv", args=(1, 0), job_id=JOB)
    work(queue)
    assert queue.failed_job_registry.get_job_ids() == [JOB]
    return JOB


PAGES = ["/", "/0/view/workers", "/0/view/jobs",
         f"/0/view/jobs/{QUEUE_NAME}/failed/8/asc/1", f"/0/view/job/{JOB}"]  # fmt: skip
DATA = ["/0/data/queues.json", "/0/data/workers.json", f"/0/data/jobs/{QUEUE_NAME}/failed/8/dsc/1.json",
        f"/0/data/jobs/{QUEUE_NAME}/queued/8/asc/1.json", f"/0/data/job/{JOB}.json"]  # fmt: skip
UNKNOWN = ["/1/view", "/99999999999999999999/view",
           "/0/view/job/nosuch", "/0/view/job/no%20such", "/0/view/job/%00",
           "/0/data/job/nosuch.json", "/0/data/job/%E9.json", "/0/data/jobs/nosuch/queued/8/asc/1.json",
           "/0/view/jobs/nosuch/queued/8/asc/1", "/0/view/jobs/runs/nosuch/8/asc/1",
           "/0/data/jobs/runs/nosuch/8/asc/1.json",
           "/0/data/jobs/runs/queued/8/up/1.json", "/0/data/jobs/runs/queued/x/asc/1.json",
           "/0/data/jobs/runs/queued/0/asc/1.json", "/0/data/jobs/runs/queued/8/asc/0.json",
           "/0/data/jobs/runs/queued/8/asc/-1.json", "/0/data/jobs/runs/queued/8/asc/99999.json",
           "/0/view/jobs/runs/queued/8/asc/0", "/0/view/jobs/runs/queued/99999999999999999999/asc/1",
           "/nosuch", "/static/nosuch.js", "/static/%00"]  # fmt: skip
CHANGES = [f"/job/{JOB}/requeue", f"/requeue/{QUEUE_NAME}", f"/queue/{QUEUE_NAME}/compact",
           f"/job/{JOB}/delete", f"/queue/{QUEUE_NAME}/failed/empty"]  # fmt: skip


class TestAuthentication:
    @pytest.mark.parametrize("path", [*PAGES, *DATA, "/static/css/main.css"])
    def test_is_required_everywhere(self, stranger, path):
        response = stranger.get(f"/rq{path}")

        assert_error(response, 401)
        assert response.headers["WWW-Authenticate"].lower().startswith("basic realm=")

    @pytest.mark.parametrize(
        "header",
        ["", "Basic", "Basic !", "Basic \xff",
         *("Basic " + b64encode(raw).decode() for raw in (b"\xff\xfe", b"x", b"x:")),
         f"Bearer {KEY}", "Digest a=b", "Basic " + "A" * 100_000],
    )  # fmt: skip
    def test_is_required_again_if_the_header_has_no_password(self, stranger, header):
        assert_error(stranger.get("/rq/", headers={"Authorization": header}), 401)

    @pytest.mark.parametrize("user", ["", "admin", "é", "a b"])
    def test_accepts_any_user_with_an_api_key_as_password(self, stranger, user):
        assert stranger.get("/rq/", headers=signed_in(KEY, user)).status_code == 200

    def test_does_not_accept_the_key_in_the_apis_header(self, client):
        assert_error(client.get("/rq/"), 401)

    def test_limits_wrong_passwords_and_then_refuses_the_right_one(self, stranger):
        codes = [
            stranger.get("/rq/", headers=signed_in("wrong")).status_code
            for _ in range(WRONG_KEYS_PER_MINUTE + 2)
        ]

        assert codes == [401] * WRONG_KEYS_PER_MINUTE + [429] * 2
        assert_error(stranger.get("/rq/", headers=signed_in(KEY)), 429)


@pytest.mark.usefixtures("failed_job")
class TestReading:
    @pytest.mark.parametrize("path", PAGES)
    def test_a_page_loads_nothing_from_other_hosts(self, visit, path):
        page = visit.get(f"/rq{path}")

        assert (page.status_code, page.mimetype) == (200, "text/html")
        for asset in re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="([^"]+)"', page.text):
            assert asset.startswith("/")
            assert visit.get(asset).status_code == 200

    @pytest.mark.parametrize("path", DATA)
    def test_the_data_of_each_page_is_served(self, visit, path):
        assert visit.get(f"/rq{path}").status_code == 200

    def test_a_failed_job_is_shown_with_its_error(self, visit):
        (job,) = visit.get(f"/rq/0/data/jobs/{QUEUE_NAME}/failed/8/asc/1.json").json["jobs"]

        assert job["id"] == JOB
        assert "ZeroDivisionError" in job["exc_info"]

    def test_the_page_of_jobs_opens_with_the_run_queue(self, visit):
        assert f'api.getJobs("{QUEUE_NAME}"' in visit.get("/rq/0/view/jobs").text

    @pytest.mark.parametrize("path", UNKNOWN)
    def test_an_unknown_path_is_404(self, visit, path):
        assert_error(visit.get(f"/rq{path}"), 404)

    def test_a_worker_is_shown_with_its_current_job(self, visit, redis, queue):
        job = queue.enqueue_call("operator.add", args=(1, 2), job_id="running")
        worker = Worker([queue], connection=redis, serializer=JSONSerializer, job_class=JSONJob)
        worker.register_birth()
        worker.prepare_execution(job)

        (shown,) = visit.get("/rq/0/data/workers.json").json["workers"]
        assert shown["current_job"]["job_id"] == "running"

    @pytest.mark.parametrize("field", ["data", "meta", "result"])
    @pytest.mark.parametrize(
        "path", [f"/rq/0/view/job/{JOB}", f"/rq/0/data/job/{JOB}.json", "/rq/requeue/runs"]
    )
    def test_no_part_of_a_job_is_ever_unpickled(self, visit, redis, tmp_path, field, path):
        trap = tmp_path / "sprung"
        redis.hset(f"rq:job:{JOB}", field, pickle.dumps(Trap(str(trap))))

        visit.open(path, method="POST" if "requeue" in path else "GET", headers=ORIGIN)
        assert not trap.exists()


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.usefixtures("failed_job")
class TestMarkup:
    @pytest.mark.parametrize("path", [*PAGES, *DATA, "/static/css/main.css", "/0/view/job/nosuch"])
    def test_only_its_own_scripts_run_and_no_other_site_may_frame_it(self, visit, path):
        assert_strict(visit.get(f"/rq{path}").headers)

    def test_so_does_a_refusal(self, stranger, visit):
        assert_strict(stranger.get("/rq/").headers)
        assert_strict(visit.get("/rq/nosuch").headers)
        assert_strict(visit.get("/rq/nosuch", headers={"Accept": "text/html"}).headers)
        assert_strict(visit.put("/rq/").headers)

    @pytest.mark.parametrize("path", PAGES)
    def test_each_inline_script_carries_the_nonce_of_its_response(self, visit, path):
        first, second = visit.get(f"/rq{path}"), visit.get(f"/rq{path}")

        assert nonce(first) != nonce(second)
        assert re.findall(r"<script(?! src| type=.text/template| name)([^>]*)>", first.text) == [
            f' nonce="{nonce(first)}"'
        ]

    @pytest.mark.parametrize("path", PAGES)
    def test_no_value_of_a_row_is_inserted_as_html(self, visit, path):
        page = visit.get(f"/rq{path}").text

        assert "<%" not in page
        assert re.findall(r"(?m)^html \+= (?!_\.escape\(|\")", page) == []
        assert "html += _.escape(" in page

    def test_a_queue_whose_name_could_leave_its_script_is_unknown(self, visit, redis):
        name = "');alert(1);('"
        redis.sadd("rq:queues", f"rq:queue:{name}")

        assert_error(visit.get(f"/rq/0/view/jobs/{quote(name)}/queued/8/asc/1"), 404)


@pytest.mark.usefixtures("failed_job")
class TestChanging:
    @pytest.mark.parametrize("path", CHANGES)
    @pytest.mark.parametrize(
        "origin",
        [None, "", "null", "http://elsewhere.test", "http://localhost.elsewhere.test", "http://localhost:81",
         "http://[", "localhost", "http://localhost@elsewhere.test", "https://localhost", "ftp://localhost",
         "http://localhost/"],
    )  # fmt: skip
    def test_is_refused_from_another_site(self, visit, queue, path, origin):
        headers = {} if origin is None else {"Origin": origin}

        assert_error(visit.post(f"/rq{path}", headers=headers), 403)
        assert queue.failed_job_registry.get_job_ids() == [JOB]

    def test_is_refused_with_an_invalid_host(self, visit):
        assert_error(visit.post(f"/rq/requeue/{QUEUE_NAME}", headers={"Host": "<", "Origin": ""}), 403)

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("path", CHANGES)
    def test_is_refused_with_a_reading_method(self, visit, queue, path, method):
        response = visit.open(f"/rq{path}", method=method, headers=ORIGIN)

        assert response.status_code == 405
        assert "POST" in response.headers["Allow"]
        assert queue.failed_job_registry.get_job_ids() == [JOB]

    @pytest.mark.parametrize("path", [f"/rq/job/{JOB}/requeue", f"/rq/requeue/{QUEUE_NAME}"])
    def test_a_failed_job_can_be_requeued_and_runs(self, visit, queue, redis, path):
        redis.hset(f"rq:job:{JOB}", "data", JSONSerializer.dumps(["operator.truediv", None, [1, 2], {}]))

        assert visit.post(path, headers=ORIGIN).json["status"] == "OK"
        assert queue.get_job_ids() == [JOB]
        work(queue)
        assert JSONJob.fetch(JOB, connection=redis).return_value() == 0.5

    def test_a_job_that_has_not_failed_cannot_be_requeued(self, visit, queue):
        queue.enqueue_call("operator.add", args=(1, 2), job_id="waiting")

        for job in ("waiting", "nosuch", "no%20such"):
            assert_error(visit.post(f"/rq/job/{job}/requeue", headers=ORIGIN), 404)

    @pytest.mark.parametrize("path", CHANGES[3:])
    def test_nothing_can_be_deleted(self, visit, redis, path):
        assert visit.post(f"/rq{path}", headers=ORIGIN).json == {"status": "DISABLED"}
        assert Job.exists(JOB, redis)

    def test_a_queue_can_be_compacted_unless_it_is_empty(self, visit, queue):
        path = f"/rq/queue/{QUEUE_NAME}/compact"
        assert_error(visit.post(path, headers=ORIGIN), 404)
        queue.enqueue_call("operator.add", args=(1, 2))

        assert visit.post(path, headers=ORIGIN).json["status"] == "OK"
        assert_error(visit.post("/rq/queue/nosuch/compact", headers=ORIGIN), 404)


@pytest.mark.parametrize("path", [*PAGES, *DATA])
def test_without_redis_it_is_503(own_app, own_redis, path):
    own_redis.stop()
    response = visitor(own_app).get(f"/rq{path}")

    assert_error(response, 503)
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.moments
def test_with_a_hanging_redis_it_is_503_until_redis_continues(own_app, hang):
    visit = visitor(own_app)
    hang()
    start = time.monotonic()
    assert_error(visit.get("/rq/"), 503)
    assert time.monotonic() - start < QUICK_SECONDS

    hang(False)
    wait_until(lambda: visit.get("/rq/").status_code == 200)
    assert visit.get("/rq/0/data/queues.json").json == {"queues": []}
