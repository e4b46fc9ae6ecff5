"""Drawings of a report: which panels and tables a kind of report has, and their pictures."""
