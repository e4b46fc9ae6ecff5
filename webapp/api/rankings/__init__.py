"""The contract's rankings."""
