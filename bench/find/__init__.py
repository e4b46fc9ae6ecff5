"""Queues whose capacity is known, and a search by point estimates for comparison."""
