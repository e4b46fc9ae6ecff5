"""Errors of files in words."""


def reason(error: Exception) -> str:
    """Return why a file cannot be read or written, without its name."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
