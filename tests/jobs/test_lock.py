import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from jobs import lock
from jobs.lock import BusyError, renewed_lock
from webapp.redis import cache_redis
from webapp.settings import ROOT

KEY = "llm-benchmark:lock:work"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(lock, "LOCK_SECONDS", 0.6)


def test_the_lock_is_held_in_the_block_and_free_after_it(redis):
    with renewed_lock(redis, "work"):
        assert redis.exists(KEY)
    assert not redis.exists(KEY)


def test_the_lock_is_free_after_an_error(redis):
    with pytest.raises(ValueError, match="work"), renewed_lock(redis, "work"):
        raise ValueError("work failed")
    assert not redis.exists(KEY)


def test_the_lock_is_renewed_as_long_as_its_holder_lives(redis):
    with renewed_lock(redis, "work"):
        token = redis.get(KEY)
        time.sleep(2)
        assert redis.get(KEY) == token


def test_whoever_finds_a_living_holder_is_told_so(redis):
    with (
        renewed_lock(redis, "work"),
        pytest.raises(BusyError, match="work is being worked on"),
        renewed_lock(redis, "work"),
    ):
        pass


def test_the_lock_of_a_killed_holder_is_taken_over(redis, environment):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time\nfrom jobs.lock import renewed_lock\nfrom webapp.redis import cache_redis\n"
            "from webapp.settings import Settings\n"
            "with renewed_lock(cache_redis(Settings.from_env()), 'work'): time.sleep(60)",
        ],
        env={**os.environ, **environment},
        cwd=ROOT,
    )
    while not redis.exists(KEY):
        time.sleep(0.01)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    redis.pexpire(KEY, 300)  # it had taken it for longer

    with renewed_lock(redis, "work"):
        assert redis.exists(KEY)


def test_without_redis_the_work_goes_on(settings):
    nowhere = cache_redis(replace(settings, redis_host="/nowhere/redis.sock"))
    worked = False

    with renewed_lock(nowhere, "work"):
        worked = True

    assert worked


def test_a_lock_that_is_lost_in_between_does_no_harm(redis):
    with renewed_lock(redis, "work"):
        redis.flushall()
        time.sleep(0.5)
