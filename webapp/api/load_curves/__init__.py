"""Load curves: latency against throughput at each level of a workload."""
