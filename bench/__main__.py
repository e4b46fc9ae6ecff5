"""python -m bench [SECTION ...]: measure, print, and write bench/results.json.

The exit code is 1 if a row misses its bound.
"""

import argparse
import logging
import sys

from bench.harness import print_rows, save
from bench.sections import (
    api,
    apis,
    detect,
    export,
    find,
    ingest,
    measure,
    migrations,
    page,
    run,
    scale,
    server,
    shards,
    trace,
)
from bench.system import postgres_version, system

SECTIONS = {
    "run": run.measure,
    "ingest": ingest.measure,
    "api": api.measure,
    "server": server.measure,
    "scale": scale.measure,
    "export": export.measure,
    "measure": measure.measure,
    "apis": apis.measure,
    "page": page.measure,
    "migrations": migrations.measure,
    "detect": detect.measure,
    "shards": shards.measure,
    "trace": trace.measure,
    "find": find.measure,
}


def main() -> int:
    """Run the named sections, by default all."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure the system against its bounds."
    )
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"One of {', '.join(SECTIONS)}. Default: all."
    )
    names = parser.parse_args().sections or list(SECTIONS)
    if unknown := set(names) - set(SECTIONS):
        parser.error(f"SECTION {', '.join(sorted(unknown))}: unknown; expected any of {', '.join(SECTIONS)}")
    kept = True
    for name in names:
        with system() as settings:
            logging.disable(logging.INFO)
            print(f"\n{name}: {SECTIONS[name].__doc__}")
            rows = SECTIONS[name](settings)
            print_rows(rows)
            save(name, postgres_version(settings), rows)
            kept = kept and all(row.ok for row in rows)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
