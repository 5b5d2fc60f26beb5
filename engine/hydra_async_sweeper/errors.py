"""What a user of the engine did wrong, in one line each."""


class SweepError(ValueError):
    """A sweep that cannot start, continue or go on; the message names the key, the value and what is accepted."""


class StorageAwayError(SweepError):
    """A study's storage that does not answer, and may do so in a moment."""
