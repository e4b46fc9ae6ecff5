"""python -m bench.wire [SERVER ...]: our figures against the kernel's packet times; writes results.json.

Servers: the mock server, and those that `python -m bench.servers` has installed. Needs tcpdump and the
permission to capture. The exit code is 1 unless every level is valid and within the bounds.

With --starved N, it measures the mock server N times at low priority next to busy loops: each result must be
right or invalid. With --peers, it runs other benchmark tools on the installed servers.
"""

import argparse
import sys

from bench.servers import installed
from bench.wire.capture import why_unable
from bench.wire.matrix import run_matrix, servers
from bench.wire.peers import run_peers
from bench.wire.starved import run_starved


def main() -> int:
    """Compare with the named servers, by default all that there are."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.wire", description="Compare figures with the kernel's packet times."
    )
    parser.add_argument(
        "servers", nargs="*", metavar="SERVER", help=f"One of {', '.join(servers())}. Default: all."
    )
    parser.add_argument("--starved", type=int, metavar="N", help="Measure N times while starved.")
    parser.add_argument(
        "--real-time", action="store_true", help="Give the client real-time priority; needs root."
    )
    parser.add_argument("--peers", action="store_true", help="Compare other tools with the wire instead.")
    options = parser.parse_args()
    if reason := why_unable():
        parser.error(reason)
    if unknown := set(options.servers) - set(servers()):
        parser.error(f"SERVER {', '.join(sorted(unknown))}: unknown; expected any of {', '.join(servers())}")
    if options.starved:
        return run_starved(options.starved)
    if options.peers:
        return run_peers([name for name in options.servers or servers() if name in installed()])
    return run_matrix(options.servers or servers(), options.real_time)


if __name__ == "__main__":
    sys.exit(main())
