"""The system's limits on one process."""

import resource


def allow_many_connections() -> None:
    """Raise the limit on open files, which connections count towards, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
