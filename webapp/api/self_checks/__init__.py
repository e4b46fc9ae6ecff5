"""The self-checks: how accurate the measuring client is."""
