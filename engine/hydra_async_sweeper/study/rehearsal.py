"""Find a sweep's mistakes before its study is opened: one line instead of a failure in every trial.

Every choice, both ends of every range and every enqueued configuration is composed, and checked by the application. Sampler
and pruner run on a small study in memory.
"""

import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra.utils import get_method

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.readable import one_line
from hydra_async_sweeper.space.search_space import Parameter, Space
from hydra_async_sweeper.study import build

if TYPE_CHECKING:
    import optuna

# Up to so many whole numbers are tried one by one; of more, only the ends.
_MOST_WHOLE_NUMBERS = 100

# How many combinations to try for a value that fails with the first values of the other parameters.
_NUM_OTHERS = 20

_NUM_TRIALS = 3
_NUM_STEPS = 4


def check_space(
    space: Space,
    enqueued: Sequence[Mapping[str, Any]],
    accept: Callable[[Sequence[str]], None],
    *,
    only_enqueued: bool = False,
) -> None:
    """Refuse a value of a parameter, or an enqueued configuration, with which no trial can run.

    Args:
        space: what is searched.
        enqueued: values by name, inside of the space.
        accept: composes a trial with these overrides, beside the fixed ones, and raises where it cannot run.
        only_enqueued: no other configuration will be run.

    Raises:
        SweepError: in one line, with what `accept` raised.
    """
    tried: dict[str, Exception | None] = {}

    def failure(values: Mapping[str, Any]) -> Exception | None:
        overrides = space.overrides(values)[len(space.fixed) :]
        key = "\n".join(overrides)
        if key not in tried:
            try:
                accept(overrides)
                tried[key] = None
            except Exception as error:
                tried[key] = error
        return tried[key]

    if not space.parameters and (error := failure({})):
        raise SweepError(one_line(error)) from error
    wanted = [{name: value} for name, parameter in space.parameters.items() for value in edges(parameter)]
    for values in [*([] if only_enqueued else wanted), *map(dict, enqueued)]:
        error = failure(space.example(values, _first))
        # Parameters may work together only in some combinations.
        generator = random.Random(0)
        others = (space.example(values, lambda it: generator.choice(edges(it))) for _ in range(_NUM_OTHERS))  # noqa: B023
        if error is not None and all(failure(it) is not None for it in others):
            line = one_line(error)
            typed = [space.parameters[name].override(value) for name, value in values.items()]
            where = "" if any(f"{name}=" in line or f"{name}:" in line for name in values) else f"{' '.join(typed)}: "
            raise SweepError(f"{where}{line}") from error


def edges(parameter: Parameter) -> Sequence[Any]:
    """Return all choices, all whole numbers if they are few, or both ends."""
    distribution: Any = parameter.distribution
    if hasattr(distribution, "choices"):
        return list(distribution.choices)
    if isinstance(distribution.low, int):
        numbers = range(distribution.low, distribution.high + 1, distribution.step)
        if len(numbers) <= _MOST_WHOLE_NUMBERS:
            return numbers
    return [distribution.low, distribution.high]


def _first(parameter: Parameter) -> Any:
    return edges(parameter)[0]


def check_search(sampler: "optuna.samplers.BaseSampler", pruner: "optuna.pruners.BasePruner", space: Space, num: int) -> None:
    """Refuse a sampler or a pruner that fails in use; some of Optuna's accept any argument at first.

    Args:
        sampler: one that is not used afterwards.
        pruner: the same.
        space: what is searched.
        num: number of objectives.

    Raises:
        SweepError: naming the one that fails, with its reason.
    """
    import optuna

    def named(key: str, of: object, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except SweepError:
            raise
        except ImportError as error:
            raise build.needs(key, type(of).__name__, error) from error
        except Exception as error:
            raise SweepError(f"{key}: {type(of).__name__} fails with these arguments ({one_line(error)})") from error

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = optuna.create_study(directions=["maximize"] * num, sampler=sampler, pruner=pruner)
            setattr(study, "stop", lambda: None)  # noqa: B010 - a grid calls it after its last combination
            for number in range(_NUM_TRIALS):
                trial = named("hydra.sweeper.sampler", sampler, lambda: study.ask(space.distributions()))
                named("hydra.sweeper.sampler", sampler, lambda: space.suggest_conditional(trial))  # noqa: B023
                for step in range(1, _NUM_STEPS + 1 if num == 1 else 1):
                    trial.report(number / step, step)
                    named("hydra.sweeper.pruner", pruner, trial.should_prune)
                named("hydra.sweeper.sampler", sampler, lambda: study.tell(trial, [float(number)] * num))  # noqa: B023
    finally:
        optuna.logging.set_verbosity(verbosity)


def check_custom_search_space(path: str | None) -> None:
    """Refuse the name of a function that does not exist.

    Raises:
        SweepError: it cannot be imported.
    """
    if path is None:
        return
    try:
        get_method(path)
    except Exception as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise SweepError(f"hydra.sweeper.custom_search_space={path}: no such function ({reason})") from error
