import math

import pytest
import torch

from densenet_sweep.training import schedules

STEPS = 40


def torch_factors(make_scheduler) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make_scheduler(optimizer)
    factors = []
    for _ in range(STEPS):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return factors


def our_factors(schedule: schedules.Schedule, steps: int = STEPS) -> list[float]:
    return [schedule(step / steps) for step in range(steps)]


def test_constant_is_one_everywhere():
    assert our_factors(schedules.constant()) == [1.0] * STEPS


def test_step_is_torchs_multistep():
    theirs = torch_factors(lambda optimizer: torch.optim.lr_scheduler.MultiStepLR(optimizer, [20, 30], gamma=0.1))
    assert our_factors(schedules.step(milestones=[0.5, 0.75], gamma=0.1)) == pytest.approx(theirs)


@pytest.mark.parametrize("steps", [3, 7, 10, 211 * 3, 997])
def test_a_milestone_is_not_missed_by_rounding(steps):
    third = schedules.step(milestones=[1 / 3], gamma=0.1)
    factors = our_factors(third, steps)
    assert factors.index(0.1) == math.ceil(steps / 3)


def test_cosine_is_torchs_annealing():
    theirs = torch_factors(lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS))
    assert our_factors(schedules.cosine(warmup=0.0, final_factor=0.0)) == pytest.approx(theirs, abs=1e-9)


def test_linear_is_torchs():
    theirs = torch_factors(
        lambda optimizer: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, end_factor=0.2, total_iters=STEPS)
    )
    assert our_factors(schedules.linear(warmup=0.0, final_factor=0.2)) == pytest.approx(theirs)


def test_one_cycle_has_torchs_shape():
    # torch counts its phases in whole steps, so the two agree where both phases end on one.
    theirs = torch_factors(
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=STEPS, pct_start=0.3)
    )
    ours = [
        schedules.one_cycle(warmup=11 / 39, initial_factor=0.04, final_factor=4e-6)(step / (STEPS - 1)) for step in range(STEPS)
    ]
    assert ours == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("make", [schedules.cosine, schedules.linear])
def test_warmup_rises_linearly_from_zero_to_the_peak(make):
    schedule = make(warmup=0.25, final_factor=0.0)
    assert [schedule(progress) for progress in (0.0, 0.125, 0.25)] == pytest.approx([0.0, 0.5, 1.0])
    assert schedule(1.0) == pytest.approx(0.0, abs=1e-12)
