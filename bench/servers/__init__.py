"""Servers that nobody here wrote, with a small model of random weights: vLLM and llama.cpp.

`python -m bench.servers` installs them under data/servers; `running` starts one.
"""

from bench.servers.process import running
from bench.servers.setup import MODEL, SERVERS, installed, set_up

__all__ = ["MODEL", "SERVERS", "installed", "running", "set_up"]
