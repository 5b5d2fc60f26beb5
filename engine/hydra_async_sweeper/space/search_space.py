"""Hydra's sweep grammar as Optuna distributions, and suggested values back as overrides.

`choice(a,b)`, `a,b` and, in `hydra.sweeper.params`, the YAML list `[a,b]` are categorical; `range` excludes its stop, as in
Hydra; `interval` is continuous, `int(interval(a,b))` whole numbers from a to b; `tag(log, ...)` searches on a log scale. `sort`
and `shuffle` have no effect: a distribution has no order.

A parameter in `hydra.sweeper.params` may be conditional:

    optimizer.momentum:
      search: interval(0.8,0.99)
      when: {optimizer: [sgd, nesterov]}

The keys under `when` may be searched, fixed or any key of the config. If a condition does not hold, the parameter keeps its
value from the config.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, QuotedString, RangeSweep, Sweep, Transformer
from hydra.errors import HydraException

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.space import conditions as conditional
from hydra_async_sweeper.space.domain import contains
from hydra_async_sweeper.space.override_text import choice_text, override_text

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

# The most values in one range of floats, and of whole numbers: Optuna keeps them as floats, which hold each of so many.
_MOST_FLOATS = 100_000
_MOST_WHOLE = 2**53


@dataclass(frozen=True)
class Parameter:
    """One searched parameter: its key as typed (with `+` or a package), its distribution, and its values as typed."""

    key: str
    text: str
    distribution: "BaseDistribution"
    texts: Mapping[str, str]
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def is_active(self, values: Mapping[str, Any]) -> bool:
        """Return whether the parameter is searched, given these `values` of the others."""
        return all(key in values and values[key] in accepted for key, accepted in self.when.items())

    def suggested(self, value: Any) -> Any:
        """Return a value of the config as Optuna keeps it, such as a list, whose text is a choice.

        Raises:
            ValueError: it lies outside of the parameter.
            TypeError: it is no number, and the parameter takes numbers.
        """
        distribution: Any = self.distribution
        if not hasattr(distribution, "choices"):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(value)
            if not contains(distribution, value):
                raise ValueError(value)
            return int(value) if isinstance(distribution.low, int) else float(value)
        texts = {override_text(value), str(value)}
        same = [it for it in distribution.choices if _identity(it) == _identity(value)] if _is_scalar(value) else []
        same += [it for it in distribution.choices if it == value or self.texts.get(_identity(it)) in texts]
        if not same:
            raise ValueError(value)
        return same[0]

    def override(self, value: Any) -> str:
        """Return the override that sets the parameter to this suggested value."""
        return f"{self.key}={self.texts.get(_identity(value), repr(value))}"


@dataclass(frozen=True)
class Space:
    """A sweep's fixed overrides, and its searched parameters by key; a conditional one follows those it depends on."""

    fixed: tuple[str, ...]
    parameters: Mapping[str, Parameter]

    @property
    def conditional(self) -> list[Parameter]:
        """The parameters that are searched only beside certain values of others."""
        return [parameter for parameter in self.parameters.values() if parameter.when]

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """Return the overrides of a trial: the fixed ones and the suggested `values`, in the order of the space."""
        ours = [parameter.override(values[name]) for name, parameter in self.parameters.items() if name in values]
        others = [f"{name}={override_text(value)}" for name, value in values.items() if name not in self.parameters]
        return [*self.fixed, *ours, *others]

    def searched(self, values: Mapping[str, Any]) -> str:
        """Return the suggested part of a trial's overrides, as typed."""
        return " ".join(self.overrides(values)[len(self.fixed) :])

    def example(self, wanted: Mapping[str, Any], draw: Callable[[Parameter], Any]) -> dict[str, Any]:
        """Return values of a possible trial: those `wanted` and what they depend on, and values from `draw` for the others."""
        wanted = dict(wanted)
        for name in reversed(list(self.parameters)):
            if name in wanted:
                wanted = {key: accepted[0] for key, accepted in self.parameters[name].when.items()} | wanted
        values: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if parameter.is_active(values):
                values[name] = wanted[name] if name in wanted else draw(parameter)
        return values

    def distributions(self) -> dict[str, "BaseDistribution"]:
        """Return the distributions of the unconditional parameters by name, as `optuna.study.Study.ask` takes them."""
        return {name: parameter.distribution for name, parameter in self.parameters.items() if not parameter.when}

    def suggest_conditional(self, trial: "optuna.Trial") -> dict[str, Any]:
        """Suggest the conditional parameters that are active, given `trial`'s values, and return all values in order."""
        values: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if not parameter.when:
                values[name] = trial.params[name]
            elif parameter.is_active(values):
                values[name] = _suggest(trial, name, parameter.distribution)
        return values

    def described(self) -> dict[str, str]:
        """Return, by name, a text that is equal for equal parameters, to be stored in the study."""
        from optuna.distributions import distribution_to_json

        texts = {}
        for name, parameter in self.parameters.items():
            text = distribution_to_json(parameter.distribution)
            texts[name] = json.dumps({**json.loads(text), "when": parameter.when}) if parameter.when else text
        return texts


def read(
    params: Mapping[str, Any],
    arguments: Sequence[str],
    config_loader: ConfigLoader,
    look_up: Callable[[str, Sequence[str]], Any] | None = None,
) -> Space:
    """Return the space of a sweep.

    Args:
        params: `hydra.sweeper.params`, key to the text after the equals sign.
        arguments: the command line's overrides; they win over `params`, and a fixed one ends the search of its parameter.
        config_loader: Hydra's, to look up the options of a group for `glob`.
        look_up: returns what the config holds under a key (an option's name for a group) with the fixed overrides, and raises
            `KeyError` where it holds nothing; for conditions on what is not searched.

    Raises:
        SweepError: a parameter that cannot be searched as written.
    """
    parser = OverridesParser.create(config_loader=config_loader)
    texts, conditions = conditional.separate(params)
    lines = [f"{key}={_text_in_params(key, value)}" for key, value in texts.items()]
    try:
        overrides = [*parser.parse_overrides(lines), *parser.parse_overrides(list(arguments))]
    except Exception as error:
        for line in lines:
            if line.count("(") != line.count(")"):
                cut = "a bracket is not closed; inside of {} a comma ends a value, unless quotes stand around it"
                raise SweepError(f"hydra.sweeper.params.{line}: {cut}") from error
        raise SweepError(f"hydra.sweeper.params: {' '.join(str(error).split())}") from error
    by_name: dict[str, Override] = {}
    fixed: list[str] = []
    for position, override in enumerate(overrides):
        if override.is_sweep_override():
            by_name[_name(override)] = override
            continue
        assert override.input_line is not None
        # A fixed value on the command line ends the search of that parameter; one in params is a default below it.
        by_name.pop(_name(override), None)
        fixed.insert(position if position < len(lines) else len(fixed), override.input_line)
    parameters = {name: _parameter(override) for name, override in by_name.items()}
    return Space(tuple(fixed), conditional.applied(parameters, conditions, fixed, look_up))


def _name(override: Override) -> str:
    """Return the name of a parameter: its key without `+`; a group in a package keeps it, since several may be searched."""
    return override.key_or_group if override.package is None else f"{override.key_or_group}@{override.package}"


def _text_in_params(key: str, value: Any) -> str:
    """Return the text of a parameter as an override: a YAML list is a choice, and a text is Hydra's grammar already."""
    if isinstance(value, list):
        if not value:
            raise SweepError(f"hydra.sweeper.params.{key}=[]: a list of at least one value to choose from is accepted")
        return choice_text(value)
    return "null" if value is None else str(value)


def _parameter(override: Override) -> Parameter:
    text = override.get_value_string()
    if override.is_interval_sweep():
        return Parameter(override.get_key_element(), text, _interval(override), {})
    distribution, texts = _range(override) if override.is_range_sweep() else _choice(override)
    return Parameter(override.get_key_element(), text, distribution, texts)


def _choice(override: Override) -> "tuple[BaseDistribution, dict[str, str]]":
    from optuna.distributions import CategoricalDistribution

    sweep = override.value()
    if isinstance(sweep, ChoiceSweep):
        elements = list(sweep.list)  # as written: the iterator would shuffle, anew at every start
    else:  # a glob, over the options of a group; schemas are no options
        elements = [element for element in override.sweep_iterator() if not str(element).startswith("_")]
    if not elements:
        raise SweepError(f"{override.input_line}: no option to choose from")
    if any(isinstance(element, Sweep) for element in elements):
        raise SweepError(f"{override.input_line}: a choice takes values, and no interval or range among them")
    texts = [override_text(element) for element in elements]
    values: list[Any] = [_scalar(element, text) for element, text in zip(elements, texts, strict=True)]
    if any(values[i] == values[j] for i in range(len(values)) for j in range(i)):
        values = list(texts)  # 1, 1.0 and true are equal to Optuna
    if any(isinstance(value, float) and math.isnan(value) for value in values):
        raise SweepError(f"{override.input_line}: nan is no choice")
    if len(set(texts)) < len(texts):
        raise SweepError(f"{override.input_line}: a choice stands there twice")
    return CategoricalDistribution(values), {_identity(value): text for value, text in zip(values, texts, strict=True)}


def _range(override: Override) -> "tuple[BaseDistribution, dict[str, str]]":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    sweep = override.value()
    assert isinstance(sweep, RangeSweep)
    _check_tags(override, sweep.tags)
    if (
        not all(math.isfinite(number) for number in (sweep.start, sweep.stop, sweep.step) if number is not None)
        or not sweep.step
    ):
        raise SweepError(f"{override.input_line}: finite numbers, and a step other than 0, are accepted")
    if getattr(sweep, "transformers", ()):  # of Hydra 1.4, which casts the values and not the bounds
        cast: list[Any] = list(dict.fromkeys(islice(override.sweep_iterator(transformer=Transformer.identity), _MOST_FLOATS)))
        return CategoricalDistribution(cast), {_identity(value): repr(value) for value in cast}
    found = sweep.range()
    if isinstance(found, range):
        _check_whole(override, found.start, found.stop)
        values: Sequence[Any] = found if found.step > 0 else found[::-1]
    else:  # each of these is kept as Hydra would type it
        values = sorted(islice(found, _MOST_FLOATS + 1))
        if len(values) > _MOST_FLOATS:
            raise SweepError(f"{override.input_line}: more than {_MOST_FLOATS:,} values; interval(a,b) is accepted")
    if not values:
        raise SweepError(f"{override.input_line}: an empty range; Hydra's range excludes its stop")
    step = abs(sweep.step) if len(values) > 1 else 1
    is_log = "log" in sweep.tags
    if is_log and (step != 1 or not isinstance(values[0], int)):
        raise SweepError(f"{override.input_line}: a log scale takes steps of 1; int(interval(a,b)) is accepted")
    if isinstance(values[0], int):
        return IntDistribution(values[0], values[-1], step=int(step), log=is_log), {}
    # Optuna computes low + k * step in binary; the override uses Hydra's value instead.
    distribution = FloatDistribution(values[0], values[-1], step=float(step))
    texts = {}
    for index, value in enumerate(values):
        for suggested in (value, values[0] + index * float(step)):
            texts[_identity(suggested)] = repr(value)
    return distribution, texts


def _interval(override: Override) -> "BaseDistribution":
    from optuna.distributions import FloatDistribution, IntDistribution

    sweep = override.value()
    assert isinstance(sweep, IntervalSweep)
    _check_tags(override, sweep.tags)
    assert sweep.start is not None
    assert sweep.end is not None
    is_log = "log" in sweep.tags
    is_finite = math.isfinite(sweep.start) and math.isfinite(sweep.end)
    if not is_finite or sweep.start > sweep.end or (is_log and sweep.start <= 0):
        positive = " above 0" if is_log else ""
        raise SweepError(f"{override.input_line}: an interval from a smaller to a larger finite number{positive} is accepted")
    if isinstance(sweep.start, int) and isinstance(sweep.end, int):
        _check_whole(override, sweep.start, sweep.end)
        return IntDistribution(sweep.start, sweep.end, log=is_log)
    return FloatDistribution(float(sweep.start), float(sweep.end), log=is_log)


def _check_whole(override: Override, *bounds: int) -> None:
    if max(map(abs, bounds)) > _MOST_WHOLE:
        raise SweepError(f"{override.input_line}: whole numbers from -{_MOST_WHOLE:,} to {_MOST_WHOLE:,} are accepted")


def _check_tags(override: Override, tags: set[str]) -> None:
    unknown = sorted(tags - {"log"})
    if unknown:
        raise SweepError(f"{override.input_line}: unknown tag {unknown[0]}; log is accepted")


def _scalar(element: Any, text: str) -> Any:
    """Return what Optuna keeps for one choice: a scalar as it is, anything else as its text."""
    if isinstance(element, QuotedString):
        return element.text
    return element if _is_scalar(element) else text


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _identity(value: Any) -> str:
    """Return a key that tells 1, 1.0, True and "1" apart."""
    return f"{type(value).__name__}:{json.dumps(value)}"


def _suggest(trial: "optuna.Trial", name: str, distribution: Any) -> Any:
    """Suggest by the public method for the kind of distribution."""
    if hasattr(distribution, "choices"):
        return trial.suggest_categorical(name, distribution.choices)
    kind = trial.suggest_int if type(distribution).__name__.startswith("Int") else trial.suggest_float
    return kind(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)


def is_search(text: str) -> bool:
    """Return whether `text`, a parameter as a sweep's run records it, is searched and not fixed to one value."""
    if text.startswith("{"):  # a conditional parameter
        return True
    try:
        return bool(OverridesParser.create().parse_overrides([f"x={text}"])[0].is_sweep_override())
    except HydraException:
        return False
