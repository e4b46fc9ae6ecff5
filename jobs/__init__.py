"""The processes that measure: scheduler, worker, and the runs that they make."""
