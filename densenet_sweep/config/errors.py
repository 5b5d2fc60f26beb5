"""Any exception as one readable line: the engine's rule, which serves a single run and a sweep's trial alike."""

from hydra_async_sweeper.readable import did_you_mean, one_line, unknown_key

__all__ = ["did_you_mean", "one_line", "unknown_key"]
