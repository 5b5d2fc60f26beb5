import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.space import search_space
from hydra_async_sweeper.study.build import grid
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution


class Loader:
    """Stands for Hydra's config loader: the options of one group."""

    def get_group_options(self, group, results_filter=None):  # noqa: ARG002
        return ["_sgd", "adamw", "nesterov", "sgd"] if group == "optimizer" else []


def distribution(text: str) -> optuna.distributions.BaseDistribution:
    return search_space.read({"x": text}, [], Loader()).parameters["x"].distribution


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("choice(12,24,36)", CategoricalDistribution([12, 24, 36])),
        ("12,24", CategoricalDistribution([12, 24])),
        ("a,'b c',null,true,1.5", CategoricalDistribution(["a", "b c", None, True, 1.5])),
        ("choice('1',2)", CategoricalDistribution(["1", 2])),
        ("choice([6,6],[4,4])", CategoricalDistribution(["[6,6]", "[4,4]"])),
        ("choice(1,true)", CategoricalDistribution(["1", "True"])),
        ("range(1,4)", IntDistribution(1, 3)),
        ("range(4)", IntDistribution(0, 3)),
        ("range(16,41,6)", IntDistribution(16, 40, step=6)),
        ("range(16,40,6)", IntDistribution(16, 34, step=6)),
        ("range(5,0,-2)", IntDistribution(1, 5, step=2)),
        ("range(3,4)", IntDistribution(3, 3)),
        ("range(0,1000000000000)", IntDistribution(0, 999_999_999_999)),
        ("range(0.1,0.5,0.1)", FloatDistribution(0.1, 0.4, step=0.1)),
        ("interval(40,100)", FloatDistribution(40, 100)),
        ("int(interval(40,100))", IntDistribution(40, 100)),
        ("tag(log,interval(0.01,1))", FloatDistribution(0.01, 1, log=True)),
        ("tag(log,int(interval(4,64)))", IntDistribution(4, 64, log=True)),
        ("tag(log,range(1,9))", IntDistribution(1, 8, log=True)),
        ("shuffle(choice(1,2))", CategoricalDistribution([1, 2])),
        ("shuffle(range(1,4))", IntDistribution(1, 3)),
        ("sort(choice(3,1,2))", CategoricalDistribution([1, 2, 3])),
    ],
)
def test_hydras_grammar(text, expected):
    assert distribution(text) == expected


def test_a_glob_takes_the_options_of_the_group_without_schemas():
    found = search_space.read({"optimizer": "glob(*)"}, [], Loader())
    assert found.parameters["optimizer"].distribution == CategoricalDistribution(["adamw", "nesterov", "sgd"])


@pytest.mark.parametrize("text", ["range(16,41,6)", "range(0.1,0.5,0.1)", "range(0,1,0.25)", "range(5,0,-2)"])
def test_a_range_is_searched_over_exactly_hydras_values(text):
    [override] = OverridesParser.create().parse_overrides([f"x={text}"])
    hydras = sorted(f"x={value}" for value in override.sweep_string_iterator())
    found = search_space.read({"x": text}, [], Loader())
    study = optuna.create_study(sampler=optuna.samplers.GridSampler(grid(found)))
    study.stop = lambda: None  # the sampler calls it after its last combination, outside of optimize()
    typed = set()
    for _ in hydras:
        trial = study.ask(found.distributions())
        typed.add(found.overrides(trial.params)[0])
        study.tell(trial, 0.0)
    assert sorted(typed) == hydras


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("range(4,4)", "an empty range; Hydra's range excludes its stop"),
        ("range(0,1,0.000001)", "more than 100,000 values; interval"),
        ("interval(2,1)", "from a smaller to a larger finite number is accepted"),
        ("tag(log,interval(0,1))", "to a larger finite number above 0 is accepted"),
        ("interval(0.1,inf)", "from a smaller to a larger finite number is accepted"),
        ("interval(nan,1)", "from a smaller to a larger finite number is accepted"),
        ("range(0,inf)", "finite numbers, and a step other than 0, are accepted"),
        ("range(0,1,nan)", "finite numbers, and a step other than 0, are accepted"),
        ("range(0,1,0)", "finite numbers, and a step other than 0, are accepted"),
        ("int(interval(0,1e30))", "whole numbers from -9,007,199,254,740,992 to 9,007,199,254,740,992 are accepted"),
        (f"range(0,{10**23})", "whole numbers from -9,007,199,254,740,992 to 9,007,199,254,740,992 are accepted"),
        ("choice(nan,0.1)", "nan is no choice"),
        ("tag(log,range(1,9,2))", "a log scale takes steps of 1"),
        ("tag(square,interval(0,1))", "unknown tag square; log is accepted"),
        ("choice(a,a)", "a choice stands there twice"),
        ("glob(nothing*)", "no option to choose from"),
        ("choice(", r"hydra\.sweeper\.params"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(text, message):
    with pytest.raises(SweepError, match=message) as caught:
        search_space.read({"x": text}, [], Loader())
    assert "\n" not in str(caught.value)


def test_the_command_line_wins_over_the_file():
    params = {"a": "choice(1,2)", "b": "interval(0,1)", "c": "choice(x,y)", "d": 4, "e": None}
    found = search_space.read(params, ["b=range(3)", "c=x", "+f=1", "g=7,8"], Loader())
    assert set(found.parameters) == {"a", "b", "g"}
    assert found.parameters["b"].distribution == IntDistribution(0, 2)
    assert found.fixed == ("d=4", "e=null", "c=x", "+f=1")
    assert found.overrides({"a": 2, "b": 0, "g": 8}) == ["d=4", "e=null", "c=x", "+f=1", "a=2", "b=0", "g=8"]


def test_a_key_that_is_added_keeps_its_plus():
    found = search_space.read({}, ["+model.width=choice(1,2)"], Loader())
    assert found.parameters["model.width"].override(2) == "+model.width=2"


def test_equal_spaces_have_equal_descriptions():
    one = search_space.read({"a": "choice(1,2)", "b": "range(3)"}, [], Loader()).described()
    two = search_space.read({"b": "range(0,3)", "a": "1,2"}, [], Loader()).described()
    assert one == two
    assert one != search_space.read({"a": "choice(2,1)", "b": "range(3)"}, [], Loader()).described()
