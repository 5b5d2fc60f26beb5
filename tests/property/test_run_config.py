"""The values of a run's config survive being written as overrides, whatever characters they hold."""

from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from densenet_sweep.config import composition, run_config

words = st.text(st.characters(codec="utf-8"), max_size=10) | st.text("aé '\"\\${}[](),:=\t\n#~", max_size=8)
scalars = st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none() | words
names = st.from_regex("_[A-Za-z0-9_-]{0,6}", fullmatch=True)
nested = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)


def parsed(override: str) -> object:
    [it] = OverridesParser.create().parse_overrides([override])
    assert not it.is_sweep_override()
    return it.value()


@settings(deadline=None, max_examples=200)
@given(value=nested.filter(lambda value: not isinstance(value, dict)))
@example("bilder_é")
@example("C:\\pictures\\")
@example("it's \\' a \\\\")
@example("null")
@example("1_000")
@example("é\n${oc.env:HOME}")
@example([float("inf"), float("-inf"), "nan"])
@example([{"a b, c:d": "é", "x.y": "1"}])
def test_a_value_is_read_as_it_was(value):
    [override] = run_config.overrides({}, {"data": {"key": value}})
    again = parsed(override)
    assert repr(again) == repr(value)


def test_no_number_is_read_as_such():
    [override] = run_config.overrides({}, {"key": float("nan")})
    assert repr(parsed(override)) == "nan"


@settings(deadline=None, max_examples=200)
@given(text=words)
@example("\\")
@example("it's \\'")
def test_quoted_text_is_read_as_it_was(text):
    assert parsed(f"key={composition.quoted(text)}") == text
