"""The error that all parts of this package raise."""


class EmbeddedServerError(Exception):
    """A server could not be started or stopped; the message is one line."""


def first_line(error: object) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().partition("\n")[0]
