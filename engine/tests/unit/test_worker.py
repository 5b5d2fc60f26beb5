import math
import weakref
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hydra import utils
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from hydra_async_sweeper.trial import TrialPruned, current_trial, running
from hydra_async_sweeper.workers.outcome import outcome_of


def returned(value: object) -> JobReturn:
    status = JobStatus.FAILED if isinstance(value, Exception) else JobStatus.COMPLETED
    return JobReturn(status=status, _return_value=value)


class SilentError(Exception):
    """Cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


@pytest.mark.parametrize(
    ("value", "num_objectives", "outcome"),
    [
        (0.5, 1, ("COMPLETE", 0.5, None)),
        (3, 1, ("COMPLETE", 3.0, None)),
        ((1.0, 2.0), 2, ("COMPLETE", [1.0, 2.0], None)),
        ("0.25", 1, ("COMPLETE", 0.25, None)),
        (np.float32(0.5), 1, ("COMPLETE", 0.5, None)),
        (np.array(0.5), 1, ("COMPLETE", 0.5, None)),
        (np.array([[0.5]]), 1, ("COMPLETE", 0.5, None)),
        (np.array([1, 2]), 2, ("COMPLETE", [1.0, 2.0], None)),
        (torch.tensor([0.5]), 1, ("COMPLETE", 0.5, None)),
        (torch.tensor(0.5, requires_grad=True), 1, ("COMPLETE", 0.5, None)),
        ([torch.tensor(0.5)], 1, ("COMPLETE", 0.5, None)),
        (torch.tensor([1.0, 2.0]), 2, ("COMPLETE", [1.0, 2.0], None)),
        (("1", np.int64(2)), 2, ("COMPLETE", [1.0, 2.0], None)),
        (float("-inf"), 1, ("COMPLETE", -math.inf, None)),
        ((1.0, float("inf")), 2, ("COMPLETE", [1.0, math.inf], None)),
        (float("nan"), 1, ("FAIL", None, "returned nan instead of 1 number")),
        ("nan", 1, ("FAIL", None, "returned 'nan' instead of 1 number")),
        (None, 1, ("FAIL", None, "returned None instead of 1 number")),
        ("good", 1, ("FAIL", None, "returned 'good' instead of 1 number")),
        ({1: 2}, 1, ("FAIL", None, "returned {1: 2} instead of 1 number")),
        (torch.tensor([1.0, 2.0]), 1, ("FAIL", None, "returned tensor([1., 2.]) instead of 1 number")),
        ((1.0, math.nan), 2, ("FAIL", None, "returned (1.0, nan) instead of 2 numbers")),
        (np.array([1 + 1j]), 1, ("FAIL", None, "returned array([1.+1.j]) instead of 1 number")),
        (np.array(1j), 1, ("FAIL", None, "returned array(0.+1.j) instead of 1 number")),
        (np.complex128(1), 1, ("FAIL", None, "returned np.complex128(1+0j) instead of 1 number")),
        ("12", 2, ("FAIL", None, "returned '12' instead of 2 numbers")),
        (1.0, 2, ("FAIL", None, "returned 1.0 instead of 2 numbers")),
        (TrialPruned("after 3"), 1, ("PRUNED", None, "after 3")),
        (KeyError("x"), 1, ("FAIL", None, "KeyError: 'x'")),
        (ValueError("no data:\n  do this"), 1, ("FAIL", None, "no data: do this")),
        (OSError(28, "No space left on device", "/full"), 1, ("FAIL", None, "/full: No space left on device")),
        (OutOfMemoryError("CUDA out of memory.\nTried"), 1, ("FAIL", None, "out of memory: CUDA out of memory.")),
        (SilentError(), 1, ("FAIL", None, "SilentError")),
        (RuntimeError("CPU: out of memory"), 1, ("FAIL", None, "out of memory: CPU: out of memory")),
    ],
)  # fmt: skip
def test_what_a_job_returned_says_what_became_of_the_trial(value, num_objectives, outcome):
    assert outcome_of(returned(value), num_objectives) == outcome


def test_optunas_own_way_to_prune_is_understood():
    import optuna

    assert outcome_of(returned(optuna.TrialPruned("enough")), 1) == ("PRUNED", None, "enough")


def nothing_there(**_: object) -> None:
    raise FileNotFoundError("no data set in data: download=true gets it")


def given_up(**_: object) -> None:
    raise TrialPruned("enough")


def out_of_memory(**_: object) -> None:
    raise RuntimeError("CUDA out of memory.\nTried")


@pytest.mark.parametrize(
    ("function", "state", "reason"),
    [
        (nothing_there, "FAIL", "no data set in data: download=true gets it"),
        (given_up, "PRUNED", "enough"),
        (out_of_memory, "FAIL", "out of memory: CUDA out of memory."),
    ],
)
def test_what_was_raised_inside_instantiate_is_the_reason(function, state, reason):
    # Hydra 1.3 wraps what is raised; 1.4 does not, and has an allow-list.
    allowed = getattr(utils, "execution_whitelist", nullcontext)([f"{__name__}.*", "builtins.dict"])
    with pytest.raises((InstantiationException, FileNotFoundError, TrialPruned, RuntimeError)) as caught, allowed:
        instantiate({"_target_": f"{__name__}.{function.__name__}", "inner": {"_target_": "builtins.dict"}})
    assert outcome_of(returned(caught.value), 1) == (state, None, reason)


@pytest.mark.parametrize("text", ["word " * 1000, "word" * 1000])  # as a path or compact JSON, without a space
def test_a_reason_is_short(text):
    _, _, reason = outcome_of(returned(RuntimeError(text)), 1)
    assert len(reason) <= 500
    assert reason.startswith(f"RuntimeError: {text[:400]}")
    assert reason.endswith(" ...")


class Unreadable(TrialPruned):
    def __repr__(self):
        raise RuntimeError("no words")

    __str__ = __repr__


def test_what_cannot_be_shown_is_a_failed_trial():
    assert outcome_of(returned(10**5000), 1) == ("FAIL", None, "returned <int> instead of 1 number")
    job = JobReturn(status=JobStatus.COMPLETED, _return_value=Unreadable())
    assert outcome_of(job, 1) == ("FAIL", None, "returned <Unreadable> instead of 1 number")
    assert outcome_of(returned(Unreadable()), 1) == ("PRUNED", None, None)


def test_memory_is_freed_after_it_ran_out():
    class Large:
        """Stands for the tensors in the frame that failed."""

    def failing() -> tuple[JobReturn, weakref.ref]:
        large = Large()
        try:
            raise OutOfMemoryError("out of memory")
        except OutOfMemoryError as error:
            held = error  # a cycle: the frame holds the error, whose traceback holds the frame
            return returned(held), weakref.ref(large)

    job, large = failing()
    assert large() is not None
    outcome_of(job, 1)
    assert large() is None


def test_the_current_trial_is_that_of_the_context():
    class Numbered:
        number = 7

    assert current_trial().number is None
    with running(Numbered()):
        assert current_trial().number == 7
    assert current_trial().number is None
    assert current_trial().should_prune() is False
