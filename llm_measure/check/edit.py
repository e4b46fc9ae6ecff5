"""Changing options of an LLM within the text of a benchmark file, of which all else stays as it is."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ANCHOR = "model"  # after which new fields are written


class EditError(ValueError):
    """The text cannot be changed without changing something else."""


def with_changes(text: str, place: int, changes: Mapping[str, Any]) -> str:
    """Return the text with these fields of the LLM at this place of the list; raises EditError.

    Comments, order and layout stay, and so does every other byte.
    """
    edited = text
    for name, value in changes.items():
        edited = _with_field(edited, place, name, value)
    former = yaml.safe_load(text)
    llms = list(former["llms"])
    llms[place] = {**llms[place], **changes}
    if _loaded(edited) != {**former, "llms": llms}:
        raise EditError("shares its fields with another part of the file, or is written in an unusual way")
    return edited


def write_over(path: Path, former: str, text: str) -> None:
    """Replace the file's text in one step; EditError if it is no longer the former one. Raises OSError.

    A link stays one, and the permissions stay.
    """
    path = path.resolve()
    if path.read_bytes() != former.encode():
        raise EditError("was changed meanwhile")
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, name)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _loaded(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def _with_field(text: str, place: int, name: str, value: Any) -> str:
    llm = _llm(text, place)
    shown = _in_a_line(value, within_braces=bool(llm.flow_style))
    for key, node in llm.value:
        if key.value == name:
            return text[: node.start_mark.index] + shown + text[node.end_mark.index :]
    key, node = next(((key, node) for key, node in llm.value if key.value == ANCHOR), llm.value[-1])
    end = node.end_mark.index
    if llm.flow_style:
        return f"{text[:end]}, {name}: {shown}{text[end:]}"
    line_end = text.find("\n", end)
    if line_end < 0:
        return f"{text}\n{key.start_mark.column * ' '}{name}: {shown}"
    newline = "\r\n" if text[line_end - 1] == "\r" else "\n"
    line = f"{key.start_mark.column * ' '}{name}: {shown}{newline}"
    return text[: line_end + 1] + line + text[line_end + 1 :]


def _llm(text: str, place: int) -> yaml.MappingNode:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    llms = next((value for key, value in root.value if key.value == "llms"), None)
    llm = llms.value[place] if isinstance(llms, yaml.SequenceNode) else None
    if not isinstance(llm, yaml.MappingNode):
        raise EditError("is not written as a mapping")
    return llm


def _in_a_line(value: Any, within_braces: bool) -> str:
    """Return the value in one line; within braces, more characters need quotes."""
    style = {"default_flow_style": True, "width": float("inf"), "allow_unicode": True}
    if within_braces or not isinstance(value, str):
        return yaml.safe_dump([value], **style).strip()[1:-1]
    return yaml.safe_dump(value, **style).removesuffix("...\n").strip()
