"""What is searched and how it begins, on an application that is not ours."""

import optuna

CONDITIONAL = {
    "      x: interval(0,1)\n": "      x: {search: 'interval(0,1)', when: {model: small}}\n      model: choice(small,large)\n"
}


def test_a_conditional_parameter_is_typed_where_its_condition_holds(toy, changed):
    changed(CONDITIONAL)
    code, output = toy.run("hydra.sweeper.n_trials=8")
    assert code == 0, output
    for trial in toy.study().trials:
        overrides = (toy.folder / "sweep" / str(trial.number) / ".hydra" / "overrides.yaml").read_text()
        assert ("x=" in overrides) == (trial.params["model"] == "small") == ("x" in trial.params)
    assert {trial.params["model"] for trial in toy.study().trials} == {"small", "large"}
    # The best trial may lack the parameter; it runs again either way.
    _, again = toy.run("hydra.mode=RUN", "--config-dir", "sweep", "+experiment=best")
    best = toy.study().best_trial
    assert float(toy.ran()[-1][1]) == best.params.get("x", 1.0), again


def test_a_condition_on_what_does_not_exist_is_refused_in_one_line(toy, changed):
    changed(CONDITIONAL)
    changed({"when: {model: small}": "when: {modle: small}"})
    code, output = toy.run()
    assert code != 0
    assert "hydra.sweeper.params.x: its condition names modle, which is neither searched nor in the config" in output
    assert not (toy.folder / "sweep").exists()


def test_finished_trials_of_another_study_are_taken_over(toy):
    toy.run("hydra.sweep.dir=sweeps/first", "hydra.sweeper.study_name=first", "hydra.sweeper.n_trials=4")
    overrides = ("hydra.sweep.dir=sweeps/second", "hydra.sweeper.study_name=second", "hydra.sweeper.warm_start_from=first")
    code, output = toy.run(*overrides, "hydra.sweeper.n_trials=3")
    assert code == 0, output
    assert "taken over: 4 finished trials of first" in output
    earlier = toy.study("first", "sweeps/first").trials
    trials = toy.study("second", "sweeps/second").trials
    assert [trial.values for trial in trials[:4]] == [trial.values for trial in earlier]
    assert [trial.user_attrs.get("warm_start_from") for trial in trials] == [*[f"first/{n}" for n in range(4)], *[None] * 3]
    assert len(toy.ran()) == 7  # three new ones, whatever was taken over
    toy.run(*overrides, "hydra.sweeper.n_trials=4")
    assert len(toy.study("second", "sweeps/second").trials) == 8  # and once only


def test_a_study_that_does_not_compare_is_not_taken_over(toy):
    toy.run("hydra.sweep.dir=sweeps/first", "hydra.sweeper.study_name=first", "hydra.sweeper.n_trials=2")
    overrides = ("hydra.sweep.dir=sweeps/second", "hydra.sweeper.study_name=second", "hydra.sweeper.warm_start_from=first")
    for change, message in (
        ("steps=4", "steps: now 4, but the study first has 3"),
        ("hydra.sweeper.direction=minimize", "the study first has maximize"),
    ):
        code, output = toy.run(*overrides, change)
        assert code != 0
        assert message in output
    code, output = toy.run(*overrides[:2], "hydra.sweeper.warm_start_from=frist")
    assert code != 0
    assert "hydra.sweeper.warm_start_from=frist: no such study; did you mean first?; there are first" in output
    assert len(toy.ran()) == 2


def test_several_workers_share_a_database_file(toy):
    code, output = toy.run(
        "hydra.sweeper.storage=sqlite", "hydra/launcher=local", "hydra.launcher.num_workers=2", "hydra.sweeper.n_trials=8"
    )
    assert code == 0, output
    storage = optuna.storages.RDBStorage(f"sqlite:///{toy.folder}/sweep/study.db")
    trials = optuna.load_study(study_name="toy", storage=storage).trials
    storage.remove_session()
    storage.engine.dispose()
    assert [trial.state.name for trial in trials if trial.state.name != "WAITING"] == ["COMPLETE"] * 8
    assert len(toy.ran()) == 8


def test_config_files_that_change_under_way_reach_no_trial(toy):
    with toy.start(
        "seconds=0.3", "hydra.sweeper.n_trials=3", "hydra/launcher=local", "hydra.launcher.num_workers=1"
    ) as process:
        while not (toy.folder / "ran.txt").exists():
            pass
        path = toy.folder / "conf" / "config.yaml"
        path.write_text(path.read_text().replace("steps: 3", "steps: 2"))
        output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    configs = [(toy.folder / "sweep" / str(number) / ".hydra" / "config.yaml").read_text() for number in range(3)]
    assert all("steps: 3" in config for config in configs)
    code, output = toy.run("seconds=0.3", "hydra.sweeper.n_trials=4")
    assert code != 0
    assert "steps: now 2, but the study toy has 3" in output


def test_repetitions_are_what_was_enqueued_and_have_no_best(toy):
    repeats = ("hydra.sweeper.repeats=true", "hydra.sweeper.n_trials=5", "hydra.sweeper.command='type this again'")
    code, output = toy.run(*repeats, "hydra.sweeper.enqueue=[{x:0.5},{x:0.25},{x:0.9}]", "fail_above=0.8")
    assert code == 0, output
    assert "the sweep has ended: no configuration is left" in output
    assert "best" not in output
    assert [(trial.params["x"], trial.state.name) for trial in toy.study().trials] == [
        (0.5, "COMPLETE"), (0.25, "COMPLETE"), (0.9, "FAIL"),
    ]  # fmt: skip
    assert not (toy.folder / "sweep" / "experiment").exists()
    assert "command: type this again" in (toy.folder / "sweep" / "study.yaml").read_text()
    (toy.folder / "refill.py").write_text(
        "from hydra.experimental.callback import Callback\n\nclass Refill(Callback):\n"
        "    def on_queue_empty(self, study_name, **_):\n        return [{'x': 0.25}, {'x': 0.125}]\n"
    )
    callback = ("+hydra.callbacks.refill._target_=refill.Refill", "hydra/launcher=local", "hydra.launcher.num_workers=2")
    code, output = toy.run(*repeats, *callback, "hydra.sweeper.enqueue=[{x:0.25},{x:0.75}]", "fail_above=0.8")
    assert code == 0, output
    assert [trial.params["x"] for trial in toy.study().trials] == [0.5, 0.25, 0.9, 0.75, 0.125]
