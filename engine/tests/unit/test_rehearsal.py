import optuna
import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.space import search_space
from hydra_async_sweeper.study import build, rehearsal


class Loader:
    def get_group_options(self, group, results_filter=None):  # noqa: ARG002
        return ["sgd", "adamw"] if group == "optimizer" else []


class Application:
    """Refuses what holds one of these texts, or none of the others; keeps what it was shown."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.shown: list[str] = []

    def __call__(self, overrides):
        line = " ".join(overrides)
        self.shown.append(line)
        for text in self.refused:
            if set(text.split()) <= set(overrides):
                raise ValueError(f"{text.split()[0]} cannot be")


def read(**params) -> search_space.Space:
    return search_space.read(params, [], Loader())


def test_every_choice_few_whole_numbers_and_both_ends_are_shown():
    application = Application()
    searched = read(a="choice(x,y,z)", b="range(1,4)", c="interval(0.5,2)", d="int(interval(1,1000))")
    rehearsal.check_space(searched, [], application)
    assert application.shown[0] == "a=x b=1 c=0.5 d=1"
    for typed in ("a=y", "a=z", "b=2", "b=3", "c=2.0", "d=1000"):
        assert any(typed in line.split() for line in application.shown)
    assert len(application.shown) == len(set(application.shown)) == 7


@pytest.mark.parametrize("refused", ["a=z", "b=2", "c=2.0", "d=1000"])
def test_a_value_with_which_no_trial_can_run_is_refused(refused):
    searched = read(a="choice(x,y,z)", b="range(1,4)", c="interval(0.5,2)", d="int(interval(1,1000))")
    with pytest.raises(SweepError, match=f"{refused} cannot be"):
        rehearsal.check_space(searched, [], Application(refused))


def test_a_value_that_goes_with_other_values_of_others_is_accepted():
    rehearsal.check_space(read(a="choice(1,2,3)", b="choice(1,2,3)"), [], Application("a=1 b=1", "a=2 b=1", "a=3 b=2"))
    with pytest.raises(SweepError, match="a=2 cannot be"):
        rehearsal.check_space(read(a="choice(1,2)", b="choice(1,2)"), [], Application("a=2 b=1", "a=2 b=2"))


def test_what_is_searched_beside_others_alone_is_shown_beside_them():
    application = Application()
    searched = read(a="choice(x,y)", b={"search": "interval(0,1)", "when": {"a": "y"}})
    rehearsal.check_space(searched, [], application)
    assert application.shown == ["a=x", "a=y b=0.0", "a=y b=1.0"]


def test_an_enqueued_configuration_is_shown_too():
    with pytest.raises(SweepError, match=r"a=0.5: wrong"):
        rehearsal.check_space(read(a="interval(0,1)"), [{"a": 0.5}], lambda it: None if it != ["a=0.5"] else fail("wrong"))


def test_of_repetitions_the_enqueued_configurations_are_shown_alone():
    application = Application()
    rehearsal.check_space(read(a="choice(x,y)"), [{"a": "y"}], application, only_enqueued=True)
    assert application.shown == ["a=y"]


def fail(message: str) -> None:
    raise ValueError(message)


def test_without_parameters_the_fixed_config_is_shown():
    with pytest.raises(SweepError, match="no good"):
        rehearsal.check_space(read(), [], lambda _: fail("no good"))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"_target_": "optuna.pruners.HyperbandPruner", "reduction_factor": 0}, "hydra.sweeper.pruner: HyperbandPruner fails"),
        ({"_target_": "optuna.pruners.HyperbandPruner", "reduction_factor": 1}, "hydra.sweeper.pruner: HyperbandPruner fails"),
        ({"_target_": "optuna.pruners.SuccessiveHalvingPruner", "reduction_factor": 0}, "SuccessiveHalvingPruner refuses its"),
    ],
)
def test_a_pruner_that_would_fail_at_its_work_is_refused(section, message):
    searched = read(a="interval(0,1)")
    sampler = build.sampler({"_target_": "optuna.samplers.RandomSampler"}, searched)
    with pytest.raises(SweepError, match=message):
        rehearsal.check_search(sampler, build.pruner(section, 1), searched, 1)


@pytest.mark.parametrize("num_objectives", [1, 2])
@pytest.mark.parametrize(
    "name", ["TPESampler", "RandomSampler", "GridSampler", "BruteForceSampler", "QMCSampler", "NSGAIISampler"]
)
def test_samplers_that_work_are_accepted_without_a_word(name, num_objectives, capfd):
    searched = read(a="choice(1,2)", b="range(2)")
    sampler = build.sampler({"_target_": f"optuna.samplers.{name}"}, searched)
    pruner = build.pruner({"_target_": "optuna.pruners.NopPruner"}, num_objectives)
    rehearsal.check_search(sampler, pruner, searched, num_objectives)
    assert capfd.readouterr() == ("", "")


def test_a_seed_that_is_none_is_refused():
    with pytest.raises(
        SweepError, match=r"hydra\.sweeper\.sampler\.seed=-1: a whole number of at least 0, or null, is accepted"
    ):
        build.reseeded({"_target_": "optuna.samplers.TPESampler", "seed": -1}, 0)


def test_a_function_that_does_not_exist_is_refused():
    rehearsal.check_custom_search_space(None)
    rehearsal.check_custom_search_space("os.path.join")
    with pytest.raises(SweepError, match=r"hydra\.sweeper\.custom_search_space=nope\.nope: no such function"):
        rehearsal.check_custom_search_space("nope.nope")


def test_a_package_that_a_sampler_lacks_is_named(monkeypatch):
    def lacking(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'scipy.stats'", name="scipy.stats")

    sampler = optuna.samplers.RandomSampler()
    monkeypatch.setattr(sampler, "infer_relative_search_space", lacking)
    with pytest.raises(
        SweepError, match=r"^hydra\.sweeper\.sampler: RandomSampler needs scipy; pip install 'hydra-async-sweeper\[scipy\]'$"
    ):
        rehearsal.check_search(sampler, optuna.pruners.NopPruner(), read(x="interval(0,1)"), 1)
