"""The plan: what is measured where, by which workloads and how often, from the benchmark file."""
