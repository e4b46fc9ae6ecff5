"""REDIS_PREFIX: every key that leaves this process begins with it, whichever library names the key.

RQ, rq-scheduler, rq-dashboard, limits and redis-py's locks choose the names of their keys, but every command
passes the packer of a connection, those of pipelines and scripts included. So the prefix is added there. The
names of keys that the libraries store as values are without it, as the libraries read them.
"""

from typing import Any

from redis.connection import HiredisRespSerializer
from redis.exceptions import DataError

# Which arguments of a command are keys; the name of the command is the first argument.
NONE, FIRST, FIRST_TWO, ALL = slice(0), slice(1, 2), slice(1, 3), slice(1, None)
NAMES = {
    "AUTH CLIENT CONFIG DBSIZE DISCARD EXEC FLUSHALL FLUSHDB HELLO INFO MULTI PING ROLE SCRIPT SELECT TIME"
    " UNWATCH": NONE,
    "DECR DECRBY EXPIRE EXPIREAT GET GETDEL GETEX INCR INCRBY INCRBYFLOAT PERSIST PEXPIRE PTTL SET SETEX"
    " SETNX STRLEN TTL TYPE"
    " HDEL HEXISTS HGET HGETALL HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET HSET HSETNX HVALS"
    " LINDEX LINSERT LLEN LPOP LPOS LPUSH LRANGE LREM LSET LTRIM RPOP RPUSH"
    " SADD SCARD SISMEMBER SMEMBERS SPOP SRANDMEMBER SREM"
    " XADD XDEL XLEN XRANGE XREVRANGE XTRIM"
    " ZADD ZCARD ZCOUNT ZINCRBY ZPOPMAX ZPOPMIN ZRANGE ZRANGEBYSCORE ZRANK ZREM ZREMRANGEBYRANK"
    " ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYSCORE ZSCORE": FIRST,
    "BLMOVE COPY LMOVE RENAME RENAMENX RPOPLPUSH SMOVE": FIRST_TWO,
    "DEL EXISTS MGET TOUCH UNLINK WATCH": ALL,
}
KEYS = {name.encode(): keys for names, keys in NAMES.items() for name in names.split()}
COUNTED = (b"EVAL", b"EVALSHA")  # their second argument is the number of keys, which follow


class PrefixingPacker(HiredisRespSerializer):
    """Packs commands as redis-py does, with a prefix before each of their keys."""

    def __init__(self, prefix: str):
        self._text, self._bytes = prefix, prefix.encode()

    def pack(self, *args: Any) -> list[bytes]:
        """Return the packed command; raises DataError if it is unknown which arguments are keys."""
        words, keys = list(args), keys_of(args)
        words[keys] = map(self._prefixed, words[keys])
        return super().pack(*words)

    def _prefixed(self, key: bytes | str) -> bytes | str:
        return self._bytes + key if isinstance(key, bytes) else self._text + key


def keys_of(args: tuple[Any, ...]) -> slice:
    """Return which of a command's words are keys; raises DataError if that is unknown."""
    name = args[0] if isinstance(args[0], bytes) else str(args[0]).encode()
    name = name.split(maxsplit=1)[0].upper()
    if name in COUNTED:
        return slice(3, 3 + int(str(args[2])))
    try:
        return KEYS[name]
    except KeyError:
        raise DataError(f"command {name.decode()}: its keys are unknown; expected one of KEYS") from None
