"""Learning-rate schedules as closed formulas: progress of the training in [0, 1) to a multiplier of the peak.

A schedule has no state, so checkpoints do not store it and a resumed run cannot drift.
"""

import math
from collections.abc import Callable, Sequence

Schedule = Callable[[float], float]

# Progress is a quotient of step counts; rounding must not make it miss a milestone.
_ROUNDING = 1e-9


def constant() -> Schedule:
    """Keep the learning rate, as the seed does."""
    return lambda progress: 1.0  # noqa: ARG005


def step(*, milestones: Sequence[float], gamma: float) -> Schedule:
    """Multiply by `gamma` at each milestone; the paper's are 0.1 at 0.5 and 0.75 (CVPR 2017, section 4.2)."""
    fixed = tuple(milestones)
    return lambda progress: gamma ** sum(progress >= milestone - _ROUNDING for milestone in fixed)


def cosine(*, warmup: float, final_factor: float) -> Schedule:
    """Rise linearly over the fraction `warmup`, then fall along half a cosine (SGDR, Loshchilov and Hutter, eq. 5)."""
    return lambda progress: _warmed(progress, warmup, lambda rest: _cosine(1.0, final_factor, rest))


def linear(*, warmup: float, final_factor: float) -> Schedule:
    """Rise linearly over the fraction `warmup`, then fall linearly to `final_factor`."""
    return lambda progress: _warmed(progress, warmup, lambda rest: 1.0 + (final_factor - 1.0) * rest)


def one_cycle(*, warmup: float, initial_factor: float, final_factor: float) -> Schedule:
    """Rise and fall along half cosines, as `torch.optim.lr_scheduler.OneCycleLR` does (Smith and Topin, 2019)."""

    def factor(progress: float) -> float:
        if progress < warmup:
            return _cosine(initial_factor, 1.0, progress / warmup)
        return _cosine(1.0, final_factor, (progress - warmup) / (1.0 - warmup))

    return factor


def _warmed(progress: float, warmup: float, fall: Callable[[float], float]) -> float:
    if progress < warmup:
        return progress / warmup
    return fall((progress - warmup) / (1.0 - warmup))


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * fraction)) / 2.0
