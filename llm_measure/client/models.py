"""Whether the model that answered is the one that was asked."""

import re
from functools import lru_cache

# What names a state of the same model: a date or a number of three digits or more, a version, a channel.
SNAPSHOT = re.compile(r"([-@:](\d{2}|\d{3,}|v\d+|latest|preview|exp|experimental|beta))*")


@lru_cache
def other_model(asked: str, answered: str | None) -> str | None:
    """Return the model that answered if it is another than was asked; None if it is the same or unknown.

    A snapshot such as gpt-4o-2024-08-06 is the same as gpt-4o, and so is the last component of a path.
    """
    if not asked or not answered:
        return None
    short, long = sorted((_last(asked), _last(answered)), key=len)
    is_same = long.startswith(short) and SNAPSHOT.fullmatch(long[len(short) :])
    return None if is_same else answered


def _last(model: str) -> str:
    return model.lower().rstrip("/").rpartition("/")[2]
