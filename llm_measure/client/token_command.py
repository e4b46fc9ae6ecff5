"""Tokens that a command prints, and when they expire.

Read are a token alone, and JSON as these commands print it: `az account get-access-token` of Azure
(https://learn.microsoft.com/cli/azure/account), `gcloud config config-helper` of Google, any that answers as
OAuth 2.0 does (https://www.rfc-editor.org/rfc/rfc6749#section-5.1), and Kubernetes' credential plugins
(https://kubernetes.io/docs/reference/config-api/client-authentication.v1/).
"""

import base64
import math
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from llm_measure.endpoint_checks import fits_a_header
from llm_measure.progress import Stop

TIMEOUT_S = 30.0
POLL_S = 0.1
TOKEN_FIELDS = ("token", "access_token", "accessToken")
# Unix seconds; seconds from now; dates as in RFC 3339. In the order in which they are looked for.
EXPIRY_FIELDS = ("expires_on", "expires_in", "expirationTimestamp", "token_expiry", "expiry")
PARTS_OF_OUTPUT = ("status", "credential")  # of Kubernetes, and of Google


class TokenError(ValueError):
    """The command has printed no token; the text shows nothing of what it has printed."""


@dataclass(frozen=True)
class Token:
    """A token, and when it expires in Unix seconds; None if that is unknown."""

    text: str = field(repr=False)
    expires_at: float | None = None


class TokenCommand:
    """A command in a separate process, that runs without a shell from now on; raises TokenError.

    What it writes to stderr is dropped, since it may show secrets, too.
    """

    def __init__(self, command: Sequence[str]):
        self._subject = f"token_command: {Path(command[0]).name}"
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # so that its children end with it
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise TokenError(f"{self._subject}: cannot be run: {reason}") from None

    def result(self, timeout_s: float = TIMEOUT_S, stop: Stop | None = None) -> Token:
        """Return the token that the command prints; TokenError also after that time or a stop."""
        try:
            output = self._output(timeout_s, stop)
        except BaseException:  # such as Ctrl-C, which the command does not get in its session
            self.kill()
            self._process.wait()
            raise
        finally:
            if self._process.stdout:
                self._process.stdout.close()
        if code := self._process.returncode:
            how = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
            raise TokenError(f"{self._subject}: {how}; expected a token and exit code 0")
        try:
            return parse_token(output, time.time())
        except TokenError as error:
            raise TokenError(f"{self._subject}: {error}") from None

    def _output(self, timeout_s: float, stop: Stop | None) -> bytes:
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            if stop and stop.is_set():
                raise TokenError(f"{self._subject}: stopped")
            with suppress(subprocess.TimeoutExpired):
                return self._process.communicate(timeout=min(POLL_S, left_s))[0]
        raise TokenError(f"{self._subject}: no end within {timeout_s:g} s")

    def kill(self) -> None:
        """End the command and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def ask(command: Sequence[str], stop: Stop | None = None) -> Token:
    """Run the command and return the token that it prints; TokenError also once `stop` is set."""
    return TokenCommand(command).result(stop=stop)


def parse_token(output: bytes, now: float) -> Token:
    """Return the token of what a command has printed at `now`, in Unix seconds; raises TokenError."""
    text = output.decode(errors="replace").strip()
    found = _object(text)
    if found is None:
        return _checked(text, _expiry_of_jwt(text))
    for part in (found, *(found.get(name) for name in PARTS_OF_OUTPUT)):
        if isinstance(part, dict) and (token := _first(part, TOKEN_FIELDS)):
            expires_at = _expiry(part, now)
            return _checked(str(token), _expiry_of_jwt(str(token)) if expires_at is None else expires_at)
    raise TokenError(f"printed JSON without a token; expected one of {', '.join(TOKEN_FIELDS)}")


def _checked(text: str, expires_at: float | None) -> Token:
    if not text or not fits_a_header(text):
        problem = "printed more than a token" if text else "printed nothing"
        raise TokenError(f"{problem}; expected one line of printable ASCII, or JSON")
    return Token(text, expires_at if expires_at is not None and math.isfinite(expires_at) else None)


def _object(text: str | bytes) -> dict[str, Any] | None:
    """Return the JSON object that the text is; None if it is none."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _first(part: dict[str, Any], names: Sequence[str]) -> Any:
    return next((part[name] for name in names if part.get(name)), None)


def _expiry(part: dict[str, Any], now: float) -> float | None:
    """Return when the token expires, by the first field that says it; None if none does."""
    for name in EXPIRY_FIELDS:
        try:
            if name == "expires_on":
                return float(part[name])
            if name == "expires_in":
                return now + float(part[name])
            moment = datetime.fromisoformat(part[name])
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
    return None


def _expiry_of_jwt(text: str) -> float | None:
    """Return the claim `exp` of a JSON Web Token (RFC 7519); None if it is none. No signature is checked."""
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = _object(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float((claims or {})["exp"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
