"""Silences what MLflow and PyTorch report while they write a file, and no user can act on."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_TALKATIVE = ("mlflow", "torch", "onnxscript", "torch.onnx", "torch.export")


@contextmanager
def quietly() -> Iterator[None]:
    """Suppress the libraries' warnings, and their log lines below ERROR, inside the context."""
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
