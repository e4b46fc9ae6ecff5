"""The plan of measurements: which LLMs, where, by which workloads and how often; from the benchmark file."""
