"""Stop the embedded servers that a killed `make start` has left running.

python -m jobs.embedded stop
"""

import argparse
import sys

from jobs.embedded import EmbeddedServerError, stop_all


def main() -> None:
    """Stop the servers; the exit code is 1 if one could not be stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m jobs.embedded", description="Embedded PostgreSQL and Redis of this folder."
    )
    parser.add_argument("command", choices=["stop"], help="Stop the servers if they run.")
    parser.parse_args()
    try:
        stop_all()
    except EmbeddedServerError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
