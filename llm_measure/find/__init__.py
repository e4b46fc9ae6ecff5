"""The search for the greatest load at which an endpoint keeps to its objectives."""
