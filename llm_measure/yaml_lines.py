"""YAML read safely, with the line of each node."""

import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import yaml

Path = tuple[str | int, ...]

LARGEST_FILE = 1 << 20
# Aliases can make a small text expand without limit.
MAX_NODES = 100_000
# Escapes in a quoted string can spell these, which neither a database nor a request can hold.
UNUSABLE = re.compile("[\\0\\ud800-\\udfff]")


def read_text(path: FilePath) -> str:
    """Return the file's content; OSError or ValueError if it cannot be read, or is larger than 1 MiB."""
    with path.open("rb") as file:
        raw = file.read(LARGEST_FILE + 1)
    if len(raw) > LARGEST_FILE:
        raise ValueError(f"larger than {LARGEST_FILE} bytes")
    return raw.decode()


class YAMLError(ValueError):
    """The text cannot be read; `line` counts from 1."""

    def __init__(self, line: int, message: str):
        super().__init__(message)
        self.line = line


class _Loader(yaml.SafeLoader):
    """Gives a line to errors of scalars, such as a date in month 13."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            if isinstance(node, yaml.ScalarNode):
                raise YAMLError(node.start_mark.line + 1, str(error)) from None
            raise


class Document:
    """A YAML document: its `data`, and the line of each node."""

    def __init__(self, text: str):
        """Raise YAMLError for invalid YAML and for what no benchmark file needs: see `_lines`."""
        try:
            loader = _Loader(text)
            node = loader.get_single_node()
            self._lines = dict(_bounded(_lines(node, (), ()))) if node else {}
            self.data: Any = loader.construct_document(node) if node else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise YAMLError(mark.line + 1 if mark else 1, error.problem or "invalid YAML") from None
        except yaml.YAMLError as error:  # a character that YAML does not allow
            raise YAMLError(1, str(error).partition("\n")[0]) from None
        except RecursionError:
            raise YAMLError(1, "nested too deeply") from None

    def line(self, path: Path) -> int:
        """Return the line of the node at `path`, or of the nearest node around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def value(self, path: Path) -> Any:
        """Return the data at `path`; None if there is none."""
        data = self.data
        for step in path:
            try:
                data = data[step]
            except (KeyError, IndexError, TypeError):
                return None
        return data


def _bounded(lines: Iterator[tuple[Path, int]]) -> Iterator[tuple[Path, int]]:
    for number, (path, line) in enumerate(lines):
        if number >= MAX_NODES:
            raise YAMLError(line, f"too many nodes; expected at most {MAX_NODES}, with aliases expanded")
        yield path, line


def _lines(node: yaml.Node, path: Path, parents: tuple[yaml.Node, ...]) -> Iterator[tuple[Path, int]]:
    """Yield the path and line of each node; of a mapping's values, the lines of their keys.

    Raises YAMLError for duplicate keys, keys that are not scalars, aliases of a node that contains them, and
    unusable text.
    """
    line = node.start_mark.line + 1
    if any(node is parent for parent in parents):
        raise YAMLError(line, "recursive alias; an alias cannot refer to a node that contains it")
    parents = (*parents, node)
    if not path:
        yield path, line
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise YAMLError(line, "invalid key; expected a string")
            if key.value in seen:
                raise YAMLError(line, f"{key.value}: duplicate key")
            _refuse_unusable(key)
            seen.add(key.value)
            yield (*path, key.value), line
            yield from _lines(value, (*path, key.value), parents)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item.start_mark.line + 1
            yield from _lines(item, (*path, index), parents)
    else:
        _refuse_unusable(node)


def _refuse_unusable(scalar: yaml.ScalarNode) -> None:
    if UNUSABLE.search(scalar.value):
        raise YAMLError(scalar.start_mark.line + 1, "text must not contain NUL or lone surrogates")
