"""What the system allows one process."""

import resource


def allow_many_connections() -> None:
    """Raise the number of open files, which connections count as, to the most that may be had."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
