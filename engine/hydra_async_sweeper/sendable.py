"""Whether a task and its callbacks can be sent to other processes; if not, which of the names that they use is the reason."""

from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.readable import one_line
from hydra_async_sweeper.script import MAIN, can_be_pickled, dumps


def check_sendable(task_function: Any, context: HydraContext, config: DictConfig) -> None:
    """Refuse what the launcher of `config` cannot send to its processes.

    Raises:
        SweepError: a line that names what cannot be sent.
    """
    try:
        dumps((task_function, context, config))
    except Exception as error:
        name = config.hydra.runtime.choices.get("hydra/launcher")
        raise SweepError(
            f"hydra/launcher={name}: {_reason(task_function, context, error)}; hydra/launcher=basic runs it in this one"
        ) from error


def _reason(task_function: Any, context: HydraContext, error: Exception) -> str:
    callbacks = {type(callback).__name__: callback for callback in context.callbacks.callbacks}
    for name, sent in {getattr(task_function, "__name__", "the task"): task_function, **callbacks}.items():
        if not can_be_pickled(sent):
            used = _used(sent, {id(sent)})
            what = f"{name}, {_kind(sent)}," if used is None else f"{used[0]} uses {used[1]}, {_kind(used[2])}, which"
            return f"{what} cannot be sent to another process"
    return f"what a job needs cannot be sent to another process ({one_line(error)})"


def _kind(value: Any) -> str:
    kind = type(value)
    return f"a {kind.__qualname__}" if kind.__module__ in ("builtins", MAIN) else f"a {kind.__module__}.{kind.__qualname__}"


def _used(value: Any, seen: set[int]) -> tuple[str, str, Any] | None:
    """Return the function or class that uses what cannot be pickled, the name there, and its value."""
    for name, used in _names(value):
        if id(used) in seen or can_be_pickled(used):
            continue
        seen.add(id(used))
        if isinstance(used, FunctionType | type) or hasattr(used, "__wrapped__"):
            found = _used(used, seen)
            if found is not None:
                return found
            continue
        return value.__qualname__, name, used
    return None


def _names(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names that a function uses of its module and of the functions around it, or a class's attributes."""
    value = getattr(value, "__wrapped__", value)
    if isinstance(value, type):
        yield from vars(value).items()
    if isinstance(value, FunctionType):
        for name in _names_in(value.__code__):
            if name in value.__globals__ and not isinstance(value.__globals__[name], ModuleType):
                yield name, value.__globals__[name]
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            yield name, cell.cell_contents


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
