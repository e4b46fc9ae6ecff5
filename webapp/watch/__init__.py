"""Watching: newly published runs are judged, and incidents opened, updated and resolved; docs/incidents.md.

Everything here runs in a transaction that raises the generation, of a refresh or of a user's action. So it
happens exactly once and one after another, and readers see incidents along with the runs that showed them.
"""
