import optuna
import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.space import search_space
from hydra_async_sweeper.study.budget import Budget
from hydra_async_sweeper.study.enqueue import begin, checked, copies, is_own, source_of_warm_start
from hydra_async_sweeper.study.storage import open_storage
from hydra_async_sweeper.trial import PROMOTED
from optuna.trial import TrialState, create_trial

SPACE = search_space.read({"width": "choice(8,16)", "lr": "interval(0,1)"}, ["depth=22"], None)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({"width": 8, "lr": 0.1}, {"width": 8, "lr": 0.1}),
        ({"width": 8}, {"width": 8}),
        ({"width": 12, "lr": 0.1}, None),  # the space was narrowed
        ({"lr": 2}, None),
        ({"lr": 0.1, "depth": 22}, {"lr": 0.1}),
        ({"lr": 0.1, "depth": 40}, None),  # the command line fixed another depth
    ],
)
def test_a_configuration_outside_of_the_space_is_left_out(values, kept):
    assert checked(values, SPACE) == kept


def test_a_section_stands_for_its_keys():
    params = {"optimizer": {"sgd": {"momentum": "interval(0,1)"}}, "decay": "choice({a:1},{a:2})"}
    entry = {"optimizer": {"sgd": {"momentum": 0.5}}, "decay": {"a": 1}}
    kept = checked(entry, search_space.read(params, [], None))
    assert kept == {"optimizer.sgd.momentum": 0.5, "decay": "{a:1}"}


def test_a_key_that_is_not_searched_is_a_mistake():
    with pytest.raises(SweepError, match=r"hydra\.sweeper\.enqueue: widht is not searched; width, lr can be given"):
        checked({"widht": 8}, SPACE)


def finished_study(storage=None) -> optuna.Study:
    study = optuna.create_study(study_name="earlier", storage=storage, direction="maximize")
    distributions = SPACE.distributions()
    for state, value in ((TrialState.COMPLETE, 0.5), (TrialState.PRUNED, None), (TrialState.FAIL, None)):
        study.add_trial(
            create_trial(
                state=state,
                value=value,
                params={"width": 8, "lr": 0.25},
                distributions=distributions,
                intermediate_values={1: 0.4},
                user_attrs={"seconds": 3.0, "lease": {"pid": 1}},
            )
        )
    return study


def test_finished_trials_are_taken_over_once_and_count_in_no_budget():
    study = optuna.create_study(direction="maximize")
    begin(study, [{"width": 16}], copies(finished_study()))
    begin(study, [{"width": 16}], copies(finished_study()))
    assert [trial.state.name for trial in study.trials] == ["WAITING", "COMPLETE", "PRUNED"]
    taken = study.trials[1]
    assert (taken.value, taken.params, taken.intermediate_values) == (0.5, {"width": 8, "lr": 0.25}, {1: 0.4})
    assert taken.user_attrs == {"seconds": 3.0, "warm_start_from": "earlier/0"}
    assert [is_own(trial) for trial in study.trials] == [True, False, False]
    assert Budget(n_trials=1).reason_to_stop(study, 0) is None
    assert Budget(n_trials=1, target=0.4).reason_to_stop(study, 0) is None
    assert copies(study)[0].user_attrs["warm_start_from"] == "earlier/0"  # where it really ran


def test_of_a_trial_that_went_on_the_later_one_alone_is_taken_over():
    study = finished_study()
    pruned = study.trials[1]
    study.add_trial(
        create_trial(
            value=0.7,
            params=pruned.params,
            distributions=pruned.distributions,
            user_attrs={"rungs": [1], PROMOTED: {"trial": 1, "step": 1}},
        )
    )
    taken = copies(study)
    assert [it.user_attrs["warm_start_from"] for it in taken] == ["earlier/0", "earlier/3"]
    assert PROMOTED not in taken[1].user_attrs  # the number is another study's


def test_a_copy_has_nothing_of_the_run_of_the_other():
    study = finished_study()
    kept = {"lease": {}, "attempt": 1, "folder": "a", "finished_before": 0}
    study.add_trial(create_trial(value=0.7, user_attrs={"mine": 1, **kept}))
    assert set(copies(study)[-1].user_attrs) == {"mine", "warm_start_from"}


def test_the_other_study_is_found_by_its_folder_or_in_the_same_storage(tmp_path):
    from hydra_async_sweeper.study import study_file

    folder = tmp_path / "sweeps" / "earlier"
    study = finished_study(open_storage(None, folder))
    study_file.write(folder, study, storage=None, n_trials=3, command="x")
    elsewhere = open_storage(None, tmp_path / "sweeps" / "new")
    for name in ("earlier", str(folder)):
        assert len(source_of_warm_start(name, elsewhere, tmp_path / "sweeps" / "new").trials) == 3
    assert len(source_of_warm_start("earlier", open_storage(None, folder), tmp_path / "x" / "y").trials) == 3
    with pytest.raises(
        SweepError, match=r"hydra\.sweeper\.warm_start_from=erlier: no such study; did you mean earlier\?; there are earlier$"
    ):
        source_of_warm_start("erlier", elsewhere, tmp_path / "sweeps" / "new")


def test_what_a_killed_command_had_not_taken_over_yet_is_taken_over_by_the_next():
    study = optuna.create_study(direction="maximize")
    earlier = copies(finished_study())
    study.add_trial(earlier[0])
    begin(study, [{"width": 16}], earlier)
    assert [trial.user_attrs.get("warm_start_from") for trial in study.trials] == ["earlier/0", None, "earlier/1"]
