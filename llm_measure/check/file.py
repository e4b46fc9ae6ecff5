"""The endpoints that a benchmark file declares, as far as the measuring library knows its fields."""

import os
from collections.abc import Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from llm_measure.check.finding import Target
from llm_measure.client.tls import check_files
from llm_measure.endpoint_checks import command_words
from llm_measure.endpoints import DECLARED, TRANSPORT, Endpoint
from llm_measure.files import reason
from llm_measure.yaml_lines import Document, YAMLError, read_text

# Of an LLM in the file, and no option of its endpoint.
OTHER_FIELDS = ("name", "company_name", "provider", "api_key_env", "rank_insecure", "workloads")
TEXTS = OTHER_FIELDS[:4]
OF_KEY = ("key_header", "key_scheme")


class FileError(ValueError):
    """The file cannot be used; the text has a line for each fault."""


class Declared(NamedTuple):
    """What a file declares."""

    text: str
    targets: list[Target]


def read_file(path: Path) -> Declared:
    """Return the endpoints of a benchmark file, without those whose variables are missing; raises FileError.

    A missing variable is the target's problem.
    """
    try:
        text = read_text(path)
        document = Document(text)
    except YAMLError as error:
        raise FileError(f"{path}:{error.line}: {error}") from None
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: cannot be read: {reason(error)}") from None
    llms = document.data.get("llms") if isinstance(document.data, dict) else None
    if not isinstance(llms, list) or not llms:
        raise FileError(f"{path}:{document.line(('llms',))}: llms: expected a list of at least one LLM")
    faults = [
        f"{path}:{document.line(('llms', place, name))}: llms[{place}]{_subject(name, problem)}{problem}"
        for place, llm in enumerate(llms)
        for name, problem in _faults(llm)
    ]
    if faults:
        raise FileError("\n".join(faults))
    return Declared(text, [_target(place, llm, path.parent) for place, llm in enumerate(llms)])


def _faults(llm: Any) -> Iterator[tuple[str, str]]:
    """Yield the name and the fault of each wrong field."""
    if not isinstance(llm, dict):
        yield "", "expected a mapping"
        return
    kinds = {each.name: each for each in DECLARED}
    required = ["name", *(name for name, each in kinds.items() if _is_required(each))]
    yield from ((name, "missing") for name in required if name not in llm)
    if "api_key_env" not in llm and "token_command" not in llm:
        yield from ((name, "needs api_key_env or token_command") for name in OF_KEY if name in llm)
    for name, value in llm.items():
        if name in kinds:
            yield from _fault_of_option(name, kinds[name].type, value)
        elif name not in OTHER_FIELDS:
            known = ", ".join((*OTHER_FIELDS, *kinds))
            yield str(name), f"unknown field; expected one of {known}"
        elif name in TEXTS and not isinstance(value, str):
            yield name, "not a valid string"


def _subject(name: str, problem: str) -> str:
    """Return the field's name in front of a problem, which may begin with `=` and the field's value."""
    return (f".{name}" if name else "") + ("" if problem.startswith("=") else ": ")


def _is_required(each: Any) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _fault_of_option(name: str, kind: Any, value: Any) -> Iterator[tuple[str, str]]:
    try:
        option = _option(name, kind, value)
        if name not in TRANSPORT:  # whose options depend on each other
            Endpoint(**{"base_url": "http://localhost", "model": "model", name: option})
    except msgspec.ValidationError as error:
        yield name, f"{str(error)[:1].lower()}{str(error)[1:]}"
    except ValueError as error:
        yield name, str(error).removeprefix(name).removeprefix(": ")


def _option(name: str, kind: Any, value: Any) -> Any:
    return command_words(value) if name == "token_command" else msgspec.convert(value, kind)


def _target(place: int, llm: dict[str, Any], folder: Path) -> Target:
    options = {
        each.name: _option(each.name, each.type, llm[each.name]) for each in DECLARED if each.name in llm
    }
    try:
        endpoint = Endpoint(**options, api_key=_key(llm.get("api_key_env"))).within(folder).with_variables()
        check_files(endpoint)
    except ValueError as error:
        return Target(llm["name"], None, str(error), place)
    return Target(llm["name"], endpoint, place=place)


def _key(variable: str | None) -> str | None:
    key = os.environ.get(variable, "").strip() if variable else None
    if key == "":
        raise ValueError(f"environment variable {variable}: not set or empty")
    return key
