"""Silence about what MLflow and PyTorch report on the way to a file, and no user can act on."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_TALKATIVE = ("mlflow", "torch", "onnxscript", "torch.onnx", "torch.export")


@contextmanager
def quietly() -> Iterator[None]:
    """Let no warning and no log line of the libraries pass, inside the context."""
    levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
    try:
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
