"""The format of `.env`, which the application, Docker Compose and deploy.sh read alike.

Compose replaces `$NAME` in plain and double-quoted text, python-dotenv `${NAME}` everywhere, and each has
other escapes. So a value that they would read differently is refused, with a line that says how to write it.
"""

import re
from pathlib import Path

from webapp.settings.errors import SettingsError

# deploy.sh has the same rules.
ASSIGNMENT = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][\w.-]*)\s*(?:=(?P<rest>.*))?", re.ASCII)
SINGLE_QUOTED = re.compile(r"\s*'((?:[^'\\]|\\[^\\])*)'(?:\s+#.*)?\s*", re.ASCII)
DOUBLE_QUOTED = re.compile(r'\s*"((?:[^"\\$]|\\["\\$])*)"(?:\s+#.*)?\s*', re.ASCII)
PLAIN = re.compile(r"""\s*(?:([^\s'"#$][^\t$]*?)(?:\ #.*)?)?\s*""", re.ASCII)
ADVICE = """expected 'text' in single quotes, or "text" in double quotes with \\ before each ", $ and \\"""


def read_env_file(path: Path) -> dict[str, str]:
    """Return the values of a file by name; none if there is no file.

    Raises SettingsError with all faults, which name the line, and never show its value.
    """
    if not path.is_file():
        return {}
    values: dict[str, str] = {}
    faults = []
    text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    for number, line in enumerate(text.split("\n"), 1):
        try:
            values |= parse_line(line)
        except ValueError as error:
            faults.append(f"{path.name} line {number}: {error}")
    if faults:
        raise SettingsError(faults)
    return values


def parse_line(line: str) -> dict[str, str]:
    """Return the line's value by name; nothing for a comment, or for a name alone. Raises ValueError."""
    if not line.strip() or line.lstrip().startswith("#"):
        return {}
    if not (assignment := ASSIGNMENT.fullmatch(line)):
        raise ValueError("expected NAME=value")
    name, rest = assignment["name"], assignment["rest"]
    if rest is None:
        return {}
    if match := SINGLE_QUOTED.fullmatch(rest):
        return {name: match[1].replace("\\'", "'")}
    if match := DOUBLE_QUOTED.fullmatch(rest):
        return {name: re.sub(r"\\(.)", r"\1", match[1])}
    if match := PLAIN.fullmatch(rest):
        return {name: match[1] or ""}
    raise ValueError(f"{name} is quoted in a way that programs read differently; {ADVICE}")
