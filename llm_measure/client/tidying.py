"""Events that are almost right: what is broken in them is nothing that a measurement needs."""

import json
from typing import Any


def tidied(data: bytes) -> bytes:
    """Return the JSON with whole floats as integers, and without what is no Unicode text.

    Servers send counts such as 10.0, half of a character's bytes, and lone surrogates. Raises ValueError or
    RecursionError if it is no JSON even so.
    """
    content = json.loads(data.decode(errors="replace"), parse_float=_number)
    return json.dumps(content, ensure_ascii=False).encode(errors="replace")


def _number(text: str) -> Any:
    value = float(text)
    return int(value) if value.is_integer() else value
