"""Limits that several parts of the library share."""

# Far above what any model takes or writes. What spreads tokens over chunks needs memory for each of them.
MAX_TOKENS = 10_000_000
