"""The rankings of the API contract."""
