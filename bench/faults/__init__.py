"""Faults injected into the running system, and what must hold in spite of them; see `bench.chaos`."""
