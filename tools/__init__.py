"""Scripts for building, installing and publishing."""
