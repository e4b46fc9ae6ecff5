"""Limits: on what a measured server may make the client keep, and the system's on one process."""

import resource

# Headers and framing in a row, without content: the head, interim responses, chunk extensions, trailers.
MAX_BARE_BYTES = 64 << 10
# What a part of a body takes in memory apart from its bytes: a bytes object, two moments, their references.
PART_BYTES = 200
MAX_RESPONSE_BYTES = 64 << 20  # of one response in memory
# Of all responses of one client process in memory, whether they are arriving or wait to be parsed.
MAX_LEVEL_BYTES = 1 << 30
MAX_LEVEL_TOKENS = 100_000_000  # or chunks with tokens; of all records of one client process
MIB = 1 << 20


class Memory:
    """The memory that the responses of one client process may still take, in bytes."""

    def __init__(self, left: int = MAX_LEVEL_BYTES):
        self.left = left


def allow_many_connections() -> None:
    """Raise the limit on open files, which connections count towards, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
