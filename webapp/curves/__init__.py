"""Load curves: the levels of a workload, what an LLM attains at each, and where its curve bends."""
