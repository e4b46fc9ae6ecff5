"""YAML read safely, together with the line on which each part of it stands."""

from collections.abc import Iterator
from typing import Any

import yaml

Path = tuple[str | int, ...]


class YAMLError(ValueError):
    """The text cannot be read; `line` counts from 1."""

    def __init__(self, line: int, message: str):
        super().__init__(message)
        self.line = line


class Document:
    """A YAML document: its `data`, and where each part of it stands."""

    def __init__(self, text: str):
        """Raises YAMLError for what is no YAML, or has a key twice, of which one would be lost."""
        try:
            loader = yaml.SafeLoader(text)
            node = loader.get_single_node()
            self._lines: dict[Path, int] = dict(_lines(node, ())) if node else {}
            self.data: Any = loader.construct_document(node) if node else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise YAMLError(mark.line + 1 if mark else 1, error.problem or "is no YAML") from None
        except yaml.YAMLError as error:  # a character that no YAML may hold
            raise YAMLError(1, str(error).partition("\n")[0]) from None

    def line(self, path: Path) -> int:
        """The line of the part at `path`, or of the nearest one around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def value(self, path: Path) -> Any:
        """The part at `path`; None if there is none."""
        part = self.data
        for step in path:
            try:
                part = part[step]
            except (KeyError, IndexError, TypeError):
                return None
        return part


def _lines(node: yaml.Node, path: Path) -> Iterator[tuple[Path, int]]:
    """Of a mapping's parts, the lines of their keys."""
    if not path:
        yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise YAMLError(key.start_mark.line + 1, f"{key.value} stands here a second time")
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
                yield (*path, key.value), key.start_mark.line + 1
                yield from _lines(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item.start_mark.line + 1
            yield from _lines(item, (*path, index))
