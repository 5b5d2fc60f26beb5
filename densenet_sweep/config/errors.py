"""Any exception as one readable line: the engine's rule, with our config groups among the keys that may have been meant."""

from hydra_async_sweeper import readable
from hydra_async_sweeper.readable import did_you_mean

from densenet_sweep.config.option_files import groups

__all__ = ["Failed", "did_you_mean", "one_line", "unknown_key"]


def one_line(error: BaseException) -> str:
    """Return the message of `error` on one line; expected kinds (bad values, missing files) come without their type."""
    return readable.one_line(error, groups(), "densenet-sweep")


def unknown_key(section: str, key: str, accepted: list[str]) -> str:
    """Return the message that `section` ("" is the root) has no such key, with the nearest one and all accepted ones."""
    return readable.unknown_key(section, key, accepted, groups())


class Failed(BaseException):
    """Carries the error of a single run past Hydra, which would print a line of its own first."""

    def __init__(self, error: Exception) -> None:
        """Take the error."""
        super().__init__(str(error))
        self.error = error
