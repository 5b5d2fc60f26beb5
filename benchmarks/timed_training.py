"""One training of a config on one thread: what it reached, and how long it computed."""

import logging
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from densenet_sweep.config import composition
from densenet_sweep.run.recording import Job
from densenet_sweep.run.train import train


def accuracy_and_seconds(overrides: Sequence[str]) -> tuple[float, float]:
    """Train what `overrides` compose to; return the last validation accuracy and the processor seconds, data included."""
    torch.set_num_threads(1)
    logging.getLogger("densenet_sweep").setLevel(logging.WARNING)
    config = composition.typed(composition.compose(list(overrides)))
    before = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        accuracy = train(config, Job(Path(folder), choices={}, overrides=list(overrides)))
    assert isinstance(accuracy, float)
    return round(accuracy, 5), round(time.process_time() - before, 2)
