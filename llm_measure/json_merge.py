"""JSON Merge Patch, https://www.rfc-editor.org/rfc/rfc7396: objects are merged, None removes a field."""

from typing import Any


def merged(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return the target with the patch applied; neither is changed."""
    result = dict(target)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            inner = result.get(name)
            result[name] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            result[name] = value
    return result


def combined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return one patch that does what the first and then the second do.

    Except for a field that the first removes and the second sets to an object, which is merged.
    """
    result = dict(first)
    for name, value in second.items():
        inner = result.get(name)
        result[name] = (
            combined(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
        )
    return result


def has(patch: dict[str, Any], path: tuple[str, ...]) -> bool:
    """Return whether the patch sets or removes the field at the path."""
    name, *rest = path
    if name not in patch:
        return False
    inner = patch[name]
    return has(inner, tuple(rest)) if rest and isinstance(inner, dict) else True


def removal(path: tuple[str, ...]) -> dict[str, Any]:
    """Return a patch that removes the field at the path."""
    name, *rest = path
    return {name: removal(tuple(rest)) if rest else None}
