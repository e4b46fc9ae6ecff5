"""What `make bench` runs: the system beside a bare baseline, side by side in one run."""
