"""The LLMs that are ranked, and those that no longer are."""
