"""Comparison of a repetition with the run that it repeats."""

import logging
from collections.abc import Mapping
from typing import Any

from hydra_async_sweeper import Trial

from densenet_sweep.config.schema import ReferenceConfig

log = logging.getLogger("densenet_sweep")

METRICS = ("valid_accuracy", "valid_loss", "train_loss", "test_accuracy")


def overrides(of: str, metrics: Mapping[str, float]) -> dict[str, Any]:
    """Return the section `reference`, by override path, that compares a run with `metrics`, those of `of`."""
    return {"reference.of": of, **{f"reference.{name}": metrics[name] for name in METRICS if name in metrics}}


def repetition(num_threads: int | None, trial: Trial, metrics: Mapping[str, float]) -> dict[str, Any]:
    """Return what a run needs beyond the config to reproduce this trial's numbers and to be compared with them."""
    return {"num_threads": num_threads, **overrides(f"trial {trial.number} of study {trial.study_name}", metrics)}


def compare(expected: ReferenceConfig, trial: Trial, found: Mapping[str, float]) -> None:
    """Log whether the numbers `found` equal the expected ones, if any; a sweep's trial repeats none."""
    pairs = [(name, getattr(expected, name), found[name]) for name in METRICS if name in found]
    pairs = [pair for pair in pairs if pair[1] is not None]
    if not pairs or trial.number is not None:
        return
    differing = [f"{name} {now:.9g} instead of {then:.9g}" for name, then, now in pairs if then != now]
    if differing:
        why = "another value, device, precision, number of threads or version of torch changes them"
        log.warning("other numbers than %s: %s; %s", expected.of, ", ".join(differing), why)
    else:
        log.info("the same numbers as %s: %s", expected.of, ", ".join(f"{name} {now:.6g}" for name, _, now in pairs))
