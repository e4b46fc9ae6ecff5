import pytest
from rq.job import JobStatus

from jobs.failed_jobs import FailedJobs, keep_error
from webapp.queue.enqueue import enqueue_simulation

TRACEBACK = """Traceback (most recent call last):
  File "x.py", line 1, in <module>
psycopg2.OperationalError: server closed the connection unexpectedly
\tThis probably means the server terminated abnormally

"""


@pytest.fixture
def job(queue, settings):
    enqueue_simulation(queue, settings, 600)
    return queue.fetch_job("simulation-600")


@pytest.fixture
def recorded():
    return []


@pytest.fixture
def failed_jobs(recorded):
    return FailedJobs(lambda job, error: recorded.append((job.id, error)) is None)


def test_a_failed_job_is_recorded_once_with_the_message_of_its_traceback(job, failed_jobs, recorded):
    keep_error(job, TRACEBACK)
    job.set_status(JobStatus.FAILED)
    failed_jobs.add(job)

    failed_jobs.record()
    failed_jobs.record()

    assert recorded == [(job.id, "psycopg2.OperationalError: server closed the connection unexpectedly")]


def test_a_job_that_waits_for_its_retry_is_not_recorded(job, failed_jobs, recorded):
    job.set_status(JobStatus.SCHEDULED)
    failed_jobs.add(job)

    failed_jobs.record()

    assert recorded == []


def test_a_failed_job_that_was_requeued_is_not_recorded(job, failed_jobs, recorded):
    job.set_status(JobStatus.FAILED)
    failed_jobs.add(job)
    job.set_status(JobStatus.QUEUED)

    failed_jobs.record()

    assert recorded == []
