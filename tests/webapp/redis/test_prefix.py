"""Every key of every command begins with REDIS_PREFIX, and so do those of pipelines and scripts."""

from contextlib import closing
from dataclasses import replace

import pytest
from redis.exceptions import DataError

from webapp.redis import cache_redis, queue_redis
from webapp.redis.prefix import ALL, FIRST, FIRST_TWO, KEYS, NONE

# What COMMAND INFO says of them: the first key, the last key (from the end, if negative), and the step.
PLACES = [(NONE, (0, 0, 0)), (FIRST, (1, 1, 1)), (FIRST_TWO, (1, 2, 1)), (ALL, (1, -1, 1))]
GET = "return redis.call('GET', KEYS[1]) .. ARGV[1]"


@pytest.fixture
def environment(without_database):
    return without_database


@pytest.fixture(params=[cache_redis, queue_redis])
def prefixed(settings, request):
    with closing(request.param(replace(settings, redis_prefix="ours:"))) as client:
        yield client


def test_the_keys_of_each_command_are_where_the_server_has_them(redis):
    of_server = redis.command()
    found = {
        name: (info["first_key_pos"], info["last_key_pos"], info["step_count"])
        for name, info in of_server.items()
    }
    expected = {
        name.decode().lower(): place for name, keys in KEYS.items() for each, place in PLACES if each == keys
    }
    assert {name: found[name] for name in expected} == expected


def test_commands_pipelines_transactions_and_scripts_use_prefixed_keys(prefixed, redis):
    prefixed.set("a", 1)
    prefixed.set(b"\xff", 2)
    with prefixed.pipeline() as pipeline:
        pipeline.watch("a")
        pipeline.multi()
        pipeline.rpush("list", "a", "b")
        pipeline.lmove("list", "moved", "LEFT", "RIGHT")
        pipeline.execute()
    prefixed.eval("redis.call('SET', KEYS[1], ARGV[1])", 1, "script", "value")

    assert sorted(redis.keys()) == [b"ours:a", b"ours:list", b"ours:moved", b"ours:script", b"ours:\xff"]
    assert redis.lrange("ours:moved", 0, -1) == [b"a"]
    assert redis.get("ours:script") == b"value"
    assert prefixed.mget("a", b"\xff", "none") == [b"1", b"2", None]
    assert prefixed.register_script(GET)(keys=["a"], args=["2"]) == b"12"


def test_a_lock_is_kept_under_a_prefixed_key(prefixed, redis):
    with prefixed.lock("lock", timeout=5):
        assert redis.keys() == [b"ours:lock"]

    assert redis.keys() == []


def test_a_command_whose_keys_are_unknown_is_not_sent(prefixed):
    with pytest.raises(DataError, match="command SORT: its keys are unknown"):
        prefixed.sort("a")
