"""What is suggested and what Hydra composes from it can never differ."""

import math

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra_async_sweeper.space import search_space
from hypothesis import assume, given, settings
from hypothesis import strategies as st

scalars = (
    st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)
)


def typed(value: object) -> str:
    """Write `value` as a user would, with every text in quotes."""
    if isinstance(value, str):
        return QuotedString(value, Quote.single).with_quotes()
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def composed(override: str) -> object:
    [parsed] = OverridesParser.create().parse_overrides([override])
    return parsed.value()


@settings(deadline=None, max_examples=200)
@given(values=st.lists(scalars, min_size=2, max_size=5, unique_by=repr))
def test_every_choice_comes_back_as_it_was_typed(values):
    text = ",".join(typed(value) for value in values)  # Hydra refuses null inside of choice()
    parameter = search_space.read({"x": text}, [], None).parameters["x"]
    back = [composed(parameter.override(choice)) for choice in parameter.distribution.choices]
    assert [(type(value), value) for value in back] == [(type(value), value) for value in values]


@settings(deadline=None, max_examples=200)
@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-9, 1e6), at=st.floats(0, 1))
def test_every_float_of_an_interval_comes_back_to_the_bit(low, width, at):
    high = low + width
    assume(low < high)
    parameter = search_space.read({"x": f"interval({low!r},{high!r})"}, [], None).parameters["x"]
    value = min(high, low + at * (high - low))
    assert composed(parameter.override(value)) == value


@settings(deadline=None)
@given(low=st.floats(1e-300, 1e300), factor=st.floats(1.001, 1e6))
def test_every_float_of_a_log_interval_comes_back_to_the_bit(low, factor):
    high = low * factor
    assume(math.isfinite(high))
    parameter = search_space.read({"x": f"tag(log,interval({low!r},{high!r}))"}, [], None).parameters["x"]
    assert composed(parameter.override(math.sqrt(low) * math.sqrt(high))) == math.sqrt(low) * math.sqrt(high)


@pytest.mark.parametrize("value", [1e-05, -0.0, 5e-324, 1e22, 123456789.123456789])
def test_floats_that_print_unlike_they_are_typed(value):
    parameter = search_space.read({"x": "interval(-1e30,1e30)"}, [], None).parameters["x"]
    assert composed(parameter.override(value)) == value
