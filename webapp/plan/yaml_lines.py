"""YAML read safely, together with the line of each part of it."""

from collections.abc import Iterator
from typing import Any

import yaml

Path = tuple[str | int, ...]

# Aliases can make a small text expand without limit.
MOST_PARTS = 100_000


class YAMLError(ValueError):
    """The text cannot be read; `line` counts from 1."""

    def __init__(self, line: int, message: str):
        super().__init__(message)
        self.line = line


class Document:
    """A YAML document: its `data`, and the line of each part."""

    def __init__(self, text: str):
        """Raise YAMLError for invalid YAML, duplicate keys, keys that are no text, and endless aliases."""
        try:
            loader = yaml.SafeLoader(text)
            node = loader.get_single_node()
            self._lines = dict(_bounded(_lines(node, (), ()))) if node else {}
            self.data: Any = loader.construct_document(node) if node else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise YAMLError(mark.line + 1 if mark else 1, error.problem or "invalid YAML") from None
        except yaml.YAMLError as error:  # a character that YAML does not allow
            raise YAMLError(1, str(error).partition("\n")[0]) from None

    def line(self, path: Path) -> int:
        """Return the line of the part at `path`, or of the nearest part around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def value(self, path: Path) -> Any:
        """Return the part at `path`; None if there is none."""
        part = self.data
        for step in path:
            try:
                part = part[step]
            except (KeyError, IndexError, TypeError):
                return None
        return part


def _bounded(parts: Iterator[tuple[Path, int]]) -> Iterator[tuple[Path, int]]:
    for number, (path, line) in enumerate(parts):
        if number >= MOST_PARTS:
            raise YAMLError(line, f"more than {MOST_PARTS} parts, aliases included")
        yield path, line


def _lines(node: yaml.Node, path: Path, parents: tuple[yaml.Node, ...]) -> Iterator[tuple[Path, int]]:
    """Yield the line of each part; of a mapping's parts, the lines of their keys."""
    if any(node is parent for parent in parents):
        raise YAMLError(node.start_mark.line + 1, "an alias must not refer to a part that contains it")
    parents = (*parents, node)
    if not path:
        yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise YAMLError(line, "a key must be a text")
            if key.value in seen:
                raise YAMLError(line, f"{key.value}: duplicate key")
            seen.add(key.value)
            yield (*path, key.value), line
            yield from _lines(value, (*path, key.value), parents)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item.start_mark.line + 1
            yield from _lines(item, (*path, index), parents)
