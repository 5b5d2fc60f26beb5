import optuna
import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.space import conditions, search_space
from hydra_async_sweeper.study import rehearsal

MOMENTUM = {"search": "interval(0.5,0.9)", "when": {"optimizer": ["sgd", "nesterov"]}}
CONFIG = {"optimizer": "adamw", "depth": 40}


def read(params, *arguments):
    def look_up(key, fixed):
        typed = dict(line.split("=") for line in fixed)
        return typed.get(key) or CONFIG[key]

    return search_space.read(params, list(arguments), None, look_up)


def trials(found, count=30):
    """Ask for trials and return the overrides of each."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    suggested = []
    for _ in range(count):
        trial = study.ask(found.distributions())
        suggested.append(found.overrides(found.suggest_conditional(trial)))
        study.tell(trial, 0.0)
    return suggested


def test_a_parameter_is_suggested_where_its_condition_holds_and_nowhere_else():
    found = read({"optimizer.momentum": MOMENTUM, "optimizer": "choice(sgd,adamw,nesterov)"})
    suggested = trials(found)
    for overrides in suggested:
        has_momentum = any(line.startswith("optimizer.momentum=") for line in overrides)
        assert has_momentum == (overrides[0] != "optimizer=adamw")
    assert {line for overrides in suggested for line in overrides[:1]} == {
        "optimizer=sgd", "optimizer=adamw", "optimizer=nesterov"
    }  # fmt: skip


def test_conditions_chain():
    params = {
        "a": "choice(0,1)",
        "c": {"search": "choice(5,6)", "when": {"b": 3}},
        "b": {"search": "choice(3,4)", "when": {"a": 1}},
    }
    found = read(params)
    assert list(found.parameters) == ["a", "b", "c"]
    for overrides in trials(found):
        keys = [line[0] for line in overrides]
        assert keys == ["a", *["b"] * ("a=1" in overrides), *["c"] * ("b=3" in overrides)]
    shown: list[list[str]] = []
    rehearsal.check_space(found, [], shown.append)
    assert shown == [["a=0"], ["a=1", "b=3", "c=5"], ["a=1", "b=4"], ["a=1", "b=3", "c=6"]]


def test_a_continued_trial_keeps_its_values():
    found = read({"optimizer": "choice(sgd,adamw)", "optimizer.momentum": {**MOMENTUM, "when": {"optimizer": "sgd"}}})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(5):
        trial = study.ask(found.distributions())
        before = found.suggest_conditional(trial)
        study._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.WAITING)
        again = study.ask(found.distributions())
        assert again.number == trial.number
        assert found.suggest_conditional(again) == before
        study.tell(again, 0.0)


@pytest.mark.parametrize(
    ("arguments", "searched", "conditional"),
    [
        (["optimizer=sgd"], ["optimizer.momentum"], []),  # the command line fixed it so that it always holds
        (["optimizer=adamw"], [], []),
        ([], [], []),  # the config says adamw
        (["optimizer=sgd,adamw"], ["optimizer", "optimizer.momentum"], ["optimizer.momentum"]),
    ],
)
def test_a_condition_on_what_is_not_searched_is_decided_at_once(arguments, searched, conditional):
    params = {"optimizer.momentum": {**MOMENTUM, "when": {"optimizer": "sgd"}}}
    found = read(params, *arguments)
    assert list(found.parameters) == searched
    assert [parameter.key for parameter in found.conditional] == conditional


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"x": {"search": "choice(1,2)", "when": {"optimiser": "sgd"}}},
            r"^hydra\.sweeper\.params\.x: its condition names optimiser, which is neither searched nor in the config$",
        ),
        (
            {"a": "choice(p,q)", "x": {"search": "choice(1,2)", "when": {"a": "r"}}},
            r"^hydra\.sweeper\.params\.x: is searched when a=r, which choice\(p,q\) never gives$",
        ),
        (
            {"a": "range(1,9,2)", "x": {"search": "choice(1,2)", "when": {"a": 4}}},
            r"is searched when a=4, which range\(1,9,2\) never gives$",
        ),
        (
            {"x": {"search": "choice(1,2)", "when": {"y": 1}}, "y": {"search": "choice(1,2)", "when": {"x": 1}}},
            r"^hydra\.sweeper\.params\.x: its condition depends on itself \(x, y\)$",
        ),
        ({"x": {"search": "choice(1,2)"}}, r"^hydra\.sweeper\.params\.x=.*: a text such as choice\(a,b\), or \{search: "),
        ({"x": {"search": "choice(1,2)", "when": {}}}, "is accepted$"),
    ],
)
def test_a_condition_that_cannot_hold_is_refused(params, message):
    with pytest.raises(SweepError, match=message):
        read(params)


def test_a_study_tells_other_conditions_apart():
    params = {"optimizer": "choice(sgd,adamw)", "x": {"search": "choice(1,2)", "when": {"optimizer": "sgd"}}}
    other = {**params, "x": {"search": "choice(1,2)", "when": {"optimizer": "adamw"}}}
    assert read(params).described() == read(params).described() != read(other).described()


def test_the_configs_own_values_are_those_of_a_trial():
    params = {
        "optimizer": "choice(sgd,adamw)",
        "optimizer.momentum": {**MOMENTUM, "when": {"optimizer": "sgd"}},
        "blocks": "choice([2,2],[4,4])",
        "depth": "range(10,20)",
        "+new": "choice(1,2)",
    }
    config = {"optimizer": "adamw", "optimizer.momentum": 0.9, "blocks": [4, 4], "depth": 40}
    found = conditions.defaults(read(params).parameters, (), lambda key, _: config[key])
    assert found == {"optimizer": "adamw", "blocks": "[4,4]", "depth": 40}
