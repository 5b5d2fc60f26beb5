"""A sweep of a Hydra application that is not ours, typed as a user would."""

import re

import optuna
import pytest
import yaml


def test_a_sweep_runs_its_budget_and_says_what_came_out(toy):
    code, output = toy.run()
    assert code == 0, output
    study = toy.study()
    assert toy.states() == ["COMPLETE"] * 6
    # What the study holds is what ran, to the bit.
    assert [float(x) for _, x, _, _ in toy.ran()] == [trial.params["x"] for trial in study.trials]
    assert [folder for *_, folder in toy.ran()] == [str(number) for number in range(6)]
    assert (toy.folder / "sweep" / "5" / ".hydra" / "overrides.yaml").read_text().startswith("- x=0.")
    assert f"the best trial: number {study.best_trial.number}" in output
    assert "+experiment=best" in output
    described = yaml.safe_load((toy.folder / "sweep" / "study.yaml").read_text())
    assert described["study_name"] == "toy"
    assert described["directions"] == ["maximize"]


def test_started_again_it_continues_with_the_remaining_budget(toy):
    toy.run("hydra.sweeper.n_trials=2")
    _, nothing = toy.run("hydra.sweeper.n_trials=2")
    assert "2 of 2 trials are finished" in nothing
    toy.run("hydra.sweeper.n_trials=5")
    assert [line[0] for line in toy.ran()] == ["0", "1", "2", "3", "4"]
    values = [trial.params["x"] for trial in toy.study().trials]
    assert len(set(values)) == 5  # the random start is not replayed
    assert [trial.user_attrs["finished_before"] for trial in toy.study().trials] == [0, 1, 2, 3, 4]


def test_the_same_seed_gives_the_same_trials_even_when_continued(toy):
    toy.run("hydra.sweep.dir=one", "hydra.sweeper.n_trials=4")
    toy.run("hydra.sweep.dir=two", "hydra.sweeper.n_trials=2")
    toy.run("hydra.sweep.dir=two", "hydra.sweeper.n_trials=4")
    toy.run("hydra.sweep.dir=three", "hydra.sweeper.n_trials=4", "hydra.sweeper.sampler.seed=8")
    one, two, three = ([trial.params for trial in toy.study(sweep=name).trials] for name in ("one", "two", "three"))
    assert one == two
    assert one[0] != three[0]


def test_hopeless_trials_are_pruned(toy):
    code, output = toy.run(
        "hydra/sweeper/pruner=median", "hydra.sweeper.pruner.n_startup_trials=2", "hydra.sweeper.n_trials=10"
    )
    assert code == 0, output
    states = toy.states()
    assert states.count("PRUNED") > 0
    assert states.count("PRUNED") + states.count("COMPLETE") == 10
    pruned = next(trial for trial in toy.study().trials if trial.state.name == "PRUNED")
    assert pruned.value == pruned.intermediate_values[max(pruned.intermediate_values)]


PROMOTION = ["hydra/sweeper/pruner=promotion", "rungs=[1]", "hydra.sweeper.pruner.reduction_factor=3"]


def test_trials_stop_after_a_rung_and_the_best_continue_as_others(toy):
    code, output = toy.run(*PROMOTION, "hydra.sweeper.pruner.at_least=2", "hydra.sweeper.n_trials=9")
    assert code == 0, output
    trials = toy.study().trials
    promoted = {it.number: it.user_attrs["promoted_from"]["trial"] for it in trials if "promoted_from" in it.user_attrs}
    assert promoted
    assert len(set(promoted.values())) == len(promoted)
    for number, origin in promoted.items():
        assert trials[number].params == trials[origin].params
        assert trials[origin].state.name == "PRUNED"
        assert f"trial {number} continues trial {origin}: " in output
    assert {it.number for it in trials if it.state.name == "COMPLETE"} >= promoted.keys()
    assert len(trials) == 9
    best = max(it.params["x"] for it in trials)
    assert toy.study().best_trial.params["x"] == best
    # More of them: those that stopped still may go on.
    code, output = toy.run(*PROMOTION, "hydra.sweeper.n_trials=20")
    assert code == 0, output
    assert len(toy.study().trials) == 20


def test_without_rungs_trials_stop_at_milestones(toy):
    code, output = toy.run("hydra/sweeper/pruner=promotion", "steps=18", "hydra.sweeper.n_trials=7")
    assert code == 0, output
    assert sorted(toy.states()) == ["COMPLETE"] * 3 + ["PRUNED"] * 4
    assert toy.states()[0] == "COMPLETE"
    assert {max(it.intermediate_values) for it in toy.study().trials if it.state.name == "PRUNED"} <= {1, 3, 9}


def test_workers_share_promotions(toy):
    code, output = toy.run(
        *PROMOTION, "hydra/launcher=local", "hydra.sweeper.n_jobs=3", "hydra.sweeper.n_trials=16", "seconds=0.02",
        "hydra.sweeper.pruner.reduction_factor=9", "hydra.sweeper.pruner.at_least=5",
    )  # fmt: skip
    assert code == 0, output
    origins = [it.user_attrs["promoted_from"]["trial"] for it in toy.study().trials if "promoted_from" in it.user_attrs]
    assert len(origins) >= 2
    assert len(set(origins)) == len(origins)
    assert sum(state in ("COMPLETE", "PRUNED") for state in toy.states()) == 16


def test_behind_the_last_combination_of_a_grid_the_best_continue(toy):
    grid = [
        *PROMOTION, "hydra/sweeper/sampler=grid", "x=choice(0.1,0.2,0.3,0.4)", "hydra.sweeper.pruner.reduction_factor=9",
        "hydra.sweeper.pruner.at_least=2", "hydra.sweeper.n_trials=99",
    ]  # fmt: skip
    code, output = toy.run(*grid)
    assert code == 0, output
    assert "the sampler has tried every combination" in output
    trials = toy.study().trials
    assert sorted(it.params["x"] for it in trials if it.state.name == "PRUNED") == [0.1, 0.2, 0.3, 0.4]
    assert sorted(it.params["x"] for it in trials if it.state.name == "COMPLETE") == [0.3, 0.4]
    _, again = toy.run(*grid)
    assert "the sampler has tried every combination" in again
    assert len(toy.study().trials) == 6


@pytest.mark.parametrize(
    ("sampler", "steps", "num_combinations"),
    [("grid", "'choice(1,2)'", 8), ("brute_force", "{search: 'choice(1,2,3)', when: {model: large}}", 8)],
)
def test_workers_that_share_combinations_run_each_once(toy, changed, sampler, steps, num_combinations):
    space = f"{{model: 'choice(small,large)', x: 'choice(0.25,0.5)', steps: {steps}}}"
    changed({"params:\n      x: interval(0,1)": f"params: {space}"})
    code, output = toy.run(
        f"hydra/sweeper/sampler={sampler}", "hydra/launcher=local", "hydra.sweeper.n_jobs=4", "seconds=0.2",
        "hydra.sweeper.n_trials=50",
    )  # fmt: skip
    assert code == 0, output
    assert "the sampler has tried every combination" in output
    assert toy.states() == ["COMPLETE"] * num_combinations
    assert len({tuple(sorted(it.params.items())) for it in toy.study().trials}) == num_combinations


def test_a_grid_that_is_continued_with_another_seed_runs_each_combination_once(toy):
    grid = ["hydra/sweeper/sampler=grid", "x=choice(0.1,0.2,0.3,0.4,0.5)"]
    for seed, num_trials in ((0, 2), (1, 99)):
        code, output = toy.run(*grid, f"hydra.sweeper.sampler.seed={seed}", f"hydra.sweeper.n_trials={num_trials}")
        assert code == 0, output
    assert sorted(it.params["x"] for it in toy.study().trials) == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_a_promoted_trial_whose_worker_died_is_continued_as_such(toy):
    promotion = [
        *PROMOTION,
        "hydra.sweeper.pruner.reduction_factor=9",
        "hydra.sweeper.pruner.at_least=1",
        "hydra.sweeper.n_trials=4",
    ]
    code, _ = toy.run(*promotion, "die_at=2")
    assert code != 0
    code, output = toy.run(*promotion, "die_at=2")
    assert code == 0, output
    [complete] = [it for it in toy.study().trials if it.state.name == "COMPLETE"]
    assert complete.user_attrs["attempt"] == 1
    assert complete.user_attrs["first_step"] == 2
    assert f"trial {complete.number} continues trial {complete.user_attrs['promoted_from']['trial']} (attempt 2)" in output


def test_groups_choices_and_a_grid(toy):
    code, output = toy.run("model=small,large", "x=choice(0.25,0.5)", "hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=99")
    assert code == 0, output
    assert sorted((x, width) for _, x, width, _ in toy.ran()) == [("0.25", "1"), ("0.25", "2"), ("0.5", "1"), ("0.5", "2")]
    assert "the sampler has tried every combination" in output
    best = yaml.safe_load((toy.folder / "sweep" / "experiment" / "best.yaml").read_text())
    assert best["defaults"] == ["_self_", {"override /model": "large"}]
    assert best["x"] == 0.5
    assert "model" not in best  # the option gives the width
    _, again = toy.run("hydra.mode=RUN", "--config-dir", "sweep", "+experiment=best")
    assert toy.ran()[-1][1:3] == ["0.5", "2"], again


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "random", "qmc", "nsgaii", "brute_force"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_every_sampler_and_pruner_builds(sampler):
    import hydra_plugins.hydra_async_sweeper.sweeper as plugin
    from hydra_async_sweeper.study.build import build

    assert isinstance(build(plugin._SAMPLERS[sampler], "sampler"), optuna.samplers.BaseSampler)
    for section in plugin._PRUNERS.values():
        if section["_target_"].endswith("ThresholdPruner"):
            section = {**section, "lower": 0.1}
        assert isinstance(build(section, "pruner"), optuna.pruners.BasePruner)


def test_a_config_that_depends_on_an_option_of_the_command_line(toy, changed):
    changed({"  - override hydra/sweeper: async_optuna\n": ""})
    code, output = toy.run("hydra/sweeper=async_optuna", "hydra.sweeper.n_trials=2")
    assert code == 0, output
    printed = output.replace(" \\\n    ", " ")  # a long command stands on several lines
    assert "python application.py --config-dir sweep +experiment=best hydra/sweeper=async_optuna" in printed
    _, again = toy.run("--config-dir", "sweep", "+experiment=best", "hydra/sweeper=async_optuna", "hydra.mode=RUN")
    assert float(toy.ran()[-1][1]) == toy.study().best_trial.params["x"], again


def test_a_failed_trial_is_recorded_and_the_sweep_continues(toy):
    code, output = toy.run("fail_above=0.5", "hydra.sweeper.max_failure_rate=0.9")
    assert code == 0, output
    failed = [trial for trial in toy.study().trials if trial.state.name == "FAIL"]
    assert failed
    assert failed[0].user_attrs["reason"] == "RuntimeError: too much"
    assert toy.states().count("COMPLETE") == 6
    assert "Traceback" not in output


def test_too_many_failures_end_the_sweep(toy):
    code, output = toy.run("fail_above=-1")
    assert code != 0
    assert "3 of 3 trials failed (hydra.sweeper.max_failure_rate=0.5); the last one: RuntimeError: too much" in output
    assert toy.states() == ["FAIL"] * 3


@pytest.mark.parametrize(
    ("returns", "reason"), [("nothing", "returned nan"), ("text", "returned 'hello'"), ("pair", "(1.0, 2.0)")]
)
def test_a_value_that_is_none_fails_the_trial(toy, returns, reason):
    code, _ = toy.run(f"returns={returns}", "hydra.sweeper.max_failure_rate=0")
    assert code != 0
    assert reason in toy.study().trials[0].user_attrs["reason"]
    assert toy.states() == ["FAIL"]


def test_several_objectives_give_a_front(toy):
    code, output = toy.run("returns=pair", "hydra.sweeper.direction=[maximize,minimize]", "hydra.sweeper.n_trials=2")
    assert code == 0, output
    assert [trial.values for trial in toy.study().best_trials] == [[1.0, 2.0]] * 2


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["modle.width=choice(1,2)"], "modle"),
        (["x=range(1,1)"], "x=range(1,1): an empty range"),
        (
            ["hydra/sweeper/pruner=median", "+hydra.sweeper.pruner.n_warmup=1"],
            "hydra.sweeper.pruner.n_warmup: unknown argument",
        ),
        (["hydra/sweeper/pruner=median", "hydra.sweeper.direction=[maximize,minimize]"], "MedianPruner cannot prune by 2"),
        (["hydra.sweeper.direction=up"], "hydra.sweeper.direction=up: one of minimize, maximize, or a list"),
        (["hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0: a whole number of at least 1"),
        (["hydra.sweeper.timeout=-3"], "hydra.sweeper.timeout=-3.0: a number of seconds of at least 0"),
        (["hydra.sweeper.stop_when={gain: -1, trials: 4}"], "hydra.sweeper.stop_when.gain=-1: a number above 0, in the obj"),
        (["hydra.sweeper.stop_when=4"], "hydra.sweeper.stop_when=4: null, or both numbers, such as {gain: 0.002, trials: 10}"),
        (
            ["hydra.sweeper.stop_when={gain: 1, trials: 4}", "hydra.sweeper.direction=[maximize,minimize]"],
            "hydra.sweeper.stop_when={gain: 1, trials: 4}: null is accepted with 2 objectives, which have no single best value",
        ),
        (["hydra.sweeper.storage=sqlite:////nonexistent/a.db"], "hydra.sweeper.storage=sqlite:////nonexistent/a.db: cannot"),
        (["hydra.sweeper.enqueue=[{y:1}]"], "hydra.sweeper.enqueue: y is not searched; x can be given"),
        # What a shell makes of [{x:0.5,y:1}] without quotes.
        (
            ["hydra.sweeper.enqueue=[x:0.5]", "hydra.sweeper.enqueue=[y:1]"],
            "hydra.sweeper.enqueue: y:1 is no configuration; a list",
        ),
        (["x=0.5"], "hydra.sweeper.params: nothing to search"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(toy, overrides, message):
    code, output = toy.run(*overrides)
    assert code != 0
    assert message in output
    assert not (toy.folder / "ran.txt").exists()


def test_a_study_of_another_space_or_config_is_refused(toy):
    toy.run("hydra.sweeper.n_trials=1")
    code, output = toy.run("steps=4")
    assert code != 0
    assert "steps: now 4, but the study toy has 3; another hydra.sweeper.study_name" in output
    code, output = toy.run("x=interval(0,2)")
    assert code != 0
    assert "the study toy searches " in output
    assert len(toy.ran()) == 1
    code, output = toy.run("steps=4", "hydra.sweeper.allow_config_change=true", "hydra.sweeper.n_trials=2")
    assert code == 0, output


def test_a_sweep_that_would_overwrite_the_folders_of_lost_trials_is_refused(toy):
    toy.run("hydra.sweeper.n_trials=1")
    journal = toy.folder / "sweep" / "study.journal"
    code, output = toy.run("hydra.sweeper.study_name=other")
    assert code == 1
    assert f"{journal}: holds no trial of the study other, but {journal.parent}/study.yaml describes" in output
    journal.unlink()
    code, output = toy.run()
    assert code == 1
    assert f"{journal}: has gone, but {journal.parent}/study.yaml describes a study whose trial 0 has a folder there" in output
    assert not journal.exists()
    assert len(toy.ran()) == 1


def test_configurations_to_try_first(toy):
    toy.run("hydra.sweeper.enqueue=[{x:0.125},{x:0.875}]", "hydra.sweeper.n_trials=3")
    toy.run("hydra.sweeper.enqueue=[{x:0.125},{x:0.875}]", "hydra.sweeper.n_trials=4")
    assert [x for _, x, _, _ in toy.ran()[:2]] == ["0.125", "0.875"]
    assert len({x for _, x, _, _ in toy.ran()}) == 4


def test_what_was_enqueued_in_part_is_not_completed_twice_alike(toy):
    toy.run("hydra.sweeper.enqueue=[{x:0.125},{x:0.875}]", "+y=interval(0,1)", "hydra.sweeper.n_trials=3")
    assert len({trial.params["y"] for trial in toy.study().trials}) == 3


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("hydra.sweeper.target=0.0", "hydra.sweeper.target=0 is reached"),
        ("hydra.sweeper.timeout=0.0", "hydra.sweeper.timeout=0: the time is over"),
        ("hydra.sweeper.patience=1", "1 trial brought no improvement"),
    ],
)
def test_other_rules_to_stop(toy, override, reason):
    code, output = toy.run(override, "hydra.sweeper.n_trials=50")
    assert code == 0, output
    assert reason in output
    assert len(toy.study().trials) < 50


def test_it_ends_when_the_next_trials_are_expected_to_gain_little(toy):
    def end(output: str) -> str:
        return next(line for line in output.splitlines() if "the sweep has ended: " in line).partition("ended: ")[2]

    code, output = toy.run("hydra.sweeper.stop_when={gain: 10, trials: 2}", "hydra.sweeper.n_trials=50")
    assert code == 0, output
    reason = end(output)
    assert re.fullmatch(
        r"the next 2 trials are expected to gain [\d.]+, less than hydra\.sweeper\.stop_when\.gain=10 "
        r"\(estimated from 5 configurations that the sampler drew\)",
        reason,
    )
    assert toy.states() == ["COMPLETE"] * 5
    _, again = toy.run("hydra.sweeper.stop_when={gain: 10, trials: 2}", "hydra.sweeper.n_trials=50")
    assert end(again) == reason
    _, more = toy.run("hydra.sweeper.stop_when={gain: 10, trials: 4}", "hydra.sweeper.n_trials=50")
    assert "the next 4 trials are expected to gain " in end(more)
    assert len(toy.states()) == 8
    _, last = toy.run("hydra.sweeper.stop_when={gain: 1e-9, trials: 4}", "hydra.sweeper.n_trials=9")
    assert end(last) == "9 of 9 trials are finished"
