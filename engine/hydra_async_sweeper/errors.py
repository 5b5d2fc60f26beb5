"""Errors for the user of the engine, each a one-line message."""

from hydra.errors import CompactHydraException


class SweepError(CompactHydraException, ValueError):
    """The sweep cannot start or continue; the message names the key, the value and what is accepted.

    Hydra prints an error of its own compact kind without a traceback.
    """


class LostProcessError(CompactHydraException, RuntimeError):
    """A job's process has ended without what the job returned."""


class StorageAwayError(SweepError):
    """The study's storage does not answer, but may do so soon."""
