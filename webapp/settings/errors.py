"""What unusable settings raise."""


class SettingsError(Exception):
    """Unusable settings; `faults` has a line for each: name, value, and what is expected."""

    kind = "setting"

    def __init__(self, faults: list[str]):
        super().__init__("\n".join(faults))
        self.faults = faults
