"""The lock against a real Redis, whose clock it lives by; with short times."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from jobs import lock
from jobs.lock import BusyError
from tests.jobs.system import until
from webapp.redis import cache_redis
from webapp.settings import ROOT

KEY = "llm-benchmark:lock:work"
SECONDS = 1.2
renewed_lock = partial(lock.renewed_lock, seconds=SECONDS)

HOLD = f"""
import time
from jobs.lock import renewed_lock
from webapp.redis import cache_redis
from webapp.settings import Settings
with renewed_lock(cache_redis(Settings.from_env()), "work", seconds={SECONDS}):
    time.sleep(60)
"""


def test_the_lock_is_held_in_the_block_and_free_after_it(redis):
    with renewed_lock(redis, "work"):
        assert redis.exists(KEY)
    assert not redis.exists(KEY)


def test_the_lock_is_free_after_an_error(redis):
    with pytest.raises(ValueError, match="work"), renewed_lock(redis, "work"):
        raise ValueError("work failed")
    assert not redis.exists(KEY)


def test_the_lock_is_renewed_while_its_holder_lives(redis):
    with lock.renewed_lock(redis, "work", seconds=3):
        token = redis.get(KEY)
        until(lambda: redis.pttl(KEY) < 2400)
        until(lambda: redis.pttl(KEY) > 2700)
        assert redis.get(KEY) == token


def test_a_lock_that_a_living_process_holds_is_busy(redis):
    with (
        renewed_lock(redis, "work"),
        pytest.raises(BusyError, match="lock work: held by another process"),
        renewed_lock(redis, "work"),
    ):
        pass


def test_without_waiting_a_held_lock_is_busy_immediately(redis):
    with (
        lock.renewed_lock(redis, "work", seconds=60),
        pytest.raises(BusyError),
        lock.renewed_lock(redis, "work", wait=False, seconds=60),
    ):
        pass


def test_the_lock_of_a_killed_holder_expires(redis, environment):
    holder = subprocess.Popen([sys.executable, "-c", HOLD], env={**os.environ, **environment}, cwd=ROOT)
    until(lambda: redis.exists(KEY))
    holder.send_signal(signal.SIGKILL)
    holder.wait()

    with renewed_lock(redis, "work"):
        assert redis.exists(KEY)


def test_without_redis_the_block_runs_without_a_lock(settings, caplog):
    with closing(cache_redis(replace(settings, redis_host="/nowhere/redis.sock"))) as unreachable:
        worked = False
        with renewed_lock(unreachable, "work"):
            worked = True

    assert worked
    assert "lock work: Redis unreachable, continuing without it" in caplog.text


def test_losing_the_lock_does_not_stop_the_block(redis, caplog):
    with renewed_lock(redis, "work"):
        redis.flushall()
        until(lambda: "lock work: could not renew it" in caplog.text, 5)
