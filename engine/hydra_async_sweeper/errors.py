"""Errors for the user of the engine, each a one-line message."""


class SweepError(ValueError):
    """The sweep cannot start or continue; the message names the key, the value and what is accepted."""


class StorageAwayError(SweepError):
    """The study's storage does not answer, but may do so soon."""
