"""What was seen, by name, and why something was not. No I/O."""


class Missing(Exception):
    """A fact that nobody could see; its text says why."""


class Facts:
    """Facts are named STAGE.WHAT; a stage that failed says why what it should have brought is missing."""

    def __init__(self):
        self.known, self.failed, self.reasons = {}, {}, {}

    def put(self, name, value):
        """Something was seen."""
        self.known[name] = value

    def miss(self, name, why):
        """Something could not be seen although its stage went well."""
        self.reasons[name] = why

    def fail(self, stage, why):
        """A stage ended before its end."""
        self.failed[stage] = why

    def get(self, name):
        """The value; raises Missing."""
        if name in self.known:
            return self.known[name]
        stage = name.partition(".")[0]
        if name in self.reasons:
            raise Missing(self.reasons[name])
        if stage in self.failed:
            raise Missing(f"stage {stage} ended early: {self.failed[stage]}")
        raise Missing(f"stage {stage} did not look at it")

    def find(self, name, otherwise=None):
        """The value, or `otherwise`."""
        return self.known.get(name, otherwise)
