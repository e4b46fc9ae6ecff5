"""The queue of runs: jobs by function name, as JSON, one per slot, in their region's queue."""
