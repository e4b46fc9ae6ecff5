"""`make bench`: the system against bare baselines, each pair measured in one run."""
