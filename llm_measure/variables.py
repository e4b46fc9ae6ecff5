"""Texts that name environment variables as ${VAR}; they are shown as they are, never with the values."""

import re
from collections.abc import Callable, Mapping

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Headers and parameters of such a name carry a secret, so their texts must name a variable.
SECRET_NAME = re.compile(r"auth|key|token|secret|password|credential|cookie|signature|^sig$", re.IGNORECASE)


def check(subject: str, name: str, text: str) -> None:
    """Raise ValueError, which shows no value, if the text has a broken ${VAR} or may be a secret itself."""
    if "${" in VARIABLE.sub("", text):
        raise ValueError(f"{subject} {name}: broken variable; expected ${{VAR}}")
    if text and SECRET_NAME.search(name) and not VARIABLE.search(text):
        raise ValueError(f"{subject} {name}: may hold a secret; expected an environment variable as ${{VAR}}")


def filled(text: str, values: Mapping[str, str], encode: Callable[[str], str] = str) -> str:
    """Return the text with the encoded values of its variables; ValueError if one has none."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise ValueError(f"environment variable {found[1]}: not set")
        return encode(values[found[1]])

    return VARIABLE.sub(value, text)
