"""What a user of the engine did wrong, in one line each."""


class SweepError(ValueError):
    """A sweep that cannot start, continue or go on; the message names the key, the value and what is accepted."""


class TrialLost(Exception):  # noqa: N818 - a state of affairs, like TrialPruned
    """This trial was taken over by another worker; whoever gets this must write nothing more for it."""
