"""Samplers and pruners, built from their config sections."""

import difflib
import importlib.util
import inspect
import logging
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from hydra_async_sweeper import extras
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.readable import counted
from hydra_async_sweeper.space.search_space import Parameter, Space

log = logging.getLogger("hydra_async_sweeper")

# Arguments of our pruners, by their former names.
_RENAMED = {"one_in": "reduction_factor"}

# Hydra's own keywords, which are no arguments.
_OF_HYDRA = ("_target_", "_partial_", "_convert_", "_recursive_")

# Arguments of the default sampler and pruner that stay where a config only names another class.
_OF_THE_DEFAULT = {"n_startup_trials": 10, "seed": 0, "at_least": 5, "milestone_factor": 3, "num_random": 20}

# What samplers import only when they first model something, many trials after the start.
_IMPORTED_LATE = {"GPSampler": ("scipy", "torch")}

# These samplers' seed defines the sequence that all workers share, so it must not change.
_SEED_IS_THE_SEQUENCE = (".GridSampler", ".QMCSampler")


def sampler(section: Mapping[str, Any], space: Space) -> Any:
    """Return the sampler that `hydra.sweeper.sampler` describes, set up for the space.

    Raises:
        SweepError: it cannot be built, or cannot search this space.
    """
    name = str(section["_target_"]).rpartition(".")[2]
    for package in _IMPORTED_LATE.get(name, ()):
        if importlib.util.find_spec(package) is None:
            raise needs("hydra.sweeper.sampler", name, ImportError(name=package))
    if name == "GridSampler":
        return build(section, "hydra.sweeper.sampler", search_space=grid(space, section.get("search_space") or {}))
    if name == "TPESampler" and space.conditional:
        # Jointly within each group of parameters that occur together, instead of each conditional one on its own.
        return build({"multivariate": True, "group": True, **section}, "hydra.sweeper.sampler")
    return build(section, "hydra.sweeper.sampler")


def reuse_search_space_cache(sampler: Any, predecessor: Any) -> None:
    """Give `sampler` the search-space cache of `predecessor`, which has the same section and study.

    Optuna's samplers search all trials for the parameters that they have in common, and later only new trials.
    """
    from optuna.search_space import IntersectionSearchSpace

    for name, value in vars(predecessor).items():
        if isinstance(value, IntersectionSearchSpace):
            setattr(sampler, name, value)


def reseeded(section: Mapping[str, Any], num_trials: int | None) -> dict[str, Any]:
    """Return a sampler's section for one trial: its seed derives from the configured one and `num_trials`, the trials so far.

    If that is None, the seed is random. A section without a seed stays as it is.

    Raises:
        SweepError: an invalid seed.
    """
    from numpy.random import SeedSequence

    seed = section.get("seed")
    if (
        seed == _OF_THE_DEFAULT["seed"]
        and "seed" not in inspect.signature(_factory(section, "hydra.sweeper.sampler")).parameters
    ):
        return {key: value for key, value in section.items() if key != "seed"}
    if seed is not None and (not isinstance(seed, int) or seed < 0):
        raise SweepError(f"hydra.sweeper.sampler.seed={seed}: a whole number of at least 0, or null, is accepted")
    if seed is None or str(section["_target_"]).endswith(_SEED_IS_THE_SEQUENCE):
        return dict(section)
    entropy = None if num_trials is None else [seed, num_trials]
    return {**section, "seed": int(SeedSequence(entropy).generate_state(1)[0])}


def pruner(section: Mapping[str, Any], num_objectives: int) -> Any:
    """Return the pruner that `hydra.sweeper.pruner` describes.

    Raises:
        SweepError: it cannot be built, or there are several objectives, by which nothing can be pruned.
    """
    name = str(section["_target_"]).rpartition(".")[2]
    if num_objectives > 1 and name != "NopPruner":
        raise SweepError(
            f"hydra/sweeper/pruner: {name} cannot prune by {counted(num_objectives, 'objective')}; "
            "hydra/sweeper/pruner=none is accepted"
        )
    return build(section, "hydra.sweeper.pruner")


def _by_present_names(arguments: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the arguments with former names replaced by the present ones."""
    present = {name: value for name, value in arguments.items() if name not in _RENAMED}
    for old, new in _RENAMED.items():
        if arguments.get(old) is not None:
            log.warning("%s.%s is now called %s; the old name goes away in version 0.3", key, old, new)
            present[new] = arguments[old]
    return present


def build(section: Mapping[str, Any], key: str, **extra: Any) -> Any:
    """Return the object that a config section describes: `_target_` and its constructor's arguments, nested or not.

    Raises:
        SweepError: a target that does not exist, or an argument that its constructor does not take; by name, with those it
            takes.
    """
    factory = _factory(section, key)
    name = factory.__name__
    accepted = list(inspect.signature(factory).parameters)
    arguments = _by_present_names({argument: value for argument, value in section.items() if argument not in _OF_HYDRA}, key)
    for argument, value in list(arguments.items()):
        if argument not in accepted:
            if value is None or _OF_THE_DEFAULT.get(argument) == value:  # one that Optuna has dropped may be null
                del arguments[argument]
                continue
            close = difflib.get_close_matches(argument, accepted, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise SweepError(f"{key}.{argument}: unknown argument of {name}{hint}; it accepts {', '.join(accepted) or 'none'}")
        if isinstance(value, Mapping) and "_target_" in value:
            arguments[argument] = build(value, f"{key}.{argument}")
    arguments |= {argument: value for argument, value in extra.items() if argument in accepted}
    if isinstance(arguments.get("reference_points"), list):  # of NSGA-III, which takes an array
        import numpy as np

        arguments["reference_points"] = np.asarray(arguments["reference_points"], dtype=float)
    try:
        with warnings.catch_warnings():
            # Optuna calls several of its samplers and pruners experimental; naming one in the config is a choice.
            warnings.filterwarnings("ignore", category=UserWarning, module="optuna")
            # And of arguments that hydra-optuna-sweeper sets in every config, some are deprecated.
            warnings.filterwarnings("ignore", category=FutureWarning, module="optuna")
            warnings.filterwarnings("ignore", message=".*deprecated")
            warnings.filterwarnings("ignore", message=".*experimental")
            return factory(**arguments)
    except SweepError:  # from our own classes, with a message of its own
        raise
    except ImportError as error:
        raise needs(key, name, error) from error
    except (TypeError, ValueError) as error:
        raise SweepError(f"{key}: {name} refuses its arguments ({error})") from error


def _factory(section: Mapping[str, Any], key: str) -> Any:
    target = str(section.get("_target_"))
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        raise SweepError(f"{key}._target_={target}: no such class") from None


def needs(key: str, name: str, error: ImportError) -> SweepError:
    """Return the error that says which package a sampler or pruner lacks: Optuna imports some only where they are used."""
    return SweepError(f"{key}: {name} {extras.package_needs(str(error.name or error))}")


def grid(space: Space, given: Mapping[str, Sequence[Any]] = MappingProxyType({})) -> dict[str, list[Any]]:
    """Return every value of every parameter, as Optuna's grid sampler takes them.

    Args:
        space: what is searched.
        given: the values to take of some parameters; of the others all are taken.

    Raises:
        SweepError: a parameter without a finite number of values, or a value that it does not have.
    """
    if space.conditional:
        raise SweepError("hydra/sweeper/sampler=grid: a grid has no conditions; hydra/sweeper/sampler=brute_force is accepted")
    values: dict[str, list[Any]] = {}
    for name, parameter in space.parameters.items():
        distribution: Any = parameter.distribution
        if name in given:
            values[name] = [_on_the_grid(parameter, value) for value in given[name]]
        elif hasattr(distribution, "choices"):
            values[name] = list(distribution.choices)
        elif distribution.step is not None and not distribution.log:
            count = round((distribution.high - distribution.low) / distribution.step) + 1
            values[name] = [distribution.low + index * distribution.step for index in range(count)]
        else:
            raise SweepError(f"{name}={parameter.text}: the grid sampler takes choice(...) and range(...)")
    return values


def _on_the_grid(parameter: Parameter, value: Any) -> Any:
    try:
        return parameter.suggested(value)
    except (TypeError, ValueError):
        key = f"hydra.sweeper.sampler.search_space.{parameter.key}"
        raise SweepError(f"{key}: {value} is outside of {parameter.text}") from None
