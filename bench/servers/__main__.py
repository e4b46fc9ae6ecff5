"""python -m bench.servers [SERVER ...]: install vLLM and llama.cpp under data/servers, each by itself.

Needs a few minutes and, for vLLM, 4 GB of disk. pip must find `torch==2.13.0+cpu`, which is not on PyPI
but on PyTorch's index for processors, or a folder that pip's `find-links` names.
"""

import argparse
import sys

from bench.servers import MODEL, SERVERS, running, set_up


def main() -> int:
    """Set the named servers up, by default all, and start each once."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.servers", description="Install servers with a small model of random weights."
    )
    parser.add_argument(
        "servers", nargs="*", metavar="SERVER", help=f"One of {', '.join(SERVERS)}. Default: all."
    )
    names = parser.parse_args().servers or list(SERVERS)
    if unknown := set(names) - set(SERVERS):
        parser.error(f"SERVER {', '.join(sorted(unknown))}: unknown; expected any of {', '.join(SERVERS)}")
    for name in names:
        set_up(name)
        with running(name) as url:
            print(f"{name}: serves {MODEL} at {url}; stopping it", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
