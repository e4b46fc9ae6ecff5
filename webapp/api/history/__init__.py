"""How the values of a metric went over time."""
