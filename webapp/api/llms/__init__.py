"""The LLMs, ranked and archived."""
