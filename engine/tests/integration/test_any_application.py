"""What strangers' applications and tasks look like."""

import errno
import os
import shlex
import signal
import sys
import time
from pathlib import Path

import hydra
import pytest
from hydra.experimental.callback import Callback
from hydra_async_sweeper import TrialPruned, current_trial
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study import study_file
from hydra_async_sweeper.workers import worker
from hydra_async_sweeper.workers.worker import Worker


def curve(*, asks: bool):
    """Return a task that reports 18 steps, and stops where the pruner says so if it `asks`."""

    def task(config):
        trial = current_trial()
        for step in range(1, 19):
            trial.report(config.x * step, step)
            if asks and trial.should_prune():
                raise TrialPruned
        return config.x * 18

    return task


def test_by_default_trials_stop_where_a_task_asks_and_are_complete_where_it_does_not(application, capsys):
    typed = [
        "x=interval(0,1)",
        "hydra.sweeper.direction=maximize",
        "hydra.sweeper.n_trials=30",
        "hydra.sweeper.trial_files=none",
        "hydra/sweeper/sampler=tpe",
    ]
    application.run(curve(asks=True), *typed)
    states = [trial.state.name for trial in application.study().trials]
    assert _first_that_tpe_chose(application.study()) >= 20
    assert len(states) == 30
    assert min(states.count("COMPLETE"), states.count("PRUNED")) >= 2
    printed = capsys.readouterr().out
    assert printed.count("hydra/sweeper/pruner=none trains each to its end") == 1
    assert " pruned after step 1\n" in printed
    assert " promotes trial " in printed
    application.run(curve(asks=False), *typed, "hydra.sweep.dir=silent")
    assert [trial.state.name for trial in application.study("silent").trials] == ["COMPLETE"] * 30
    assert _first_that_tpe_chose(application.study("silent")) == 10


def _first_that_tpe_chose(study):
    return min(trial.number for trial in study.trials if any(key.startswith("tpe:") for key in trial.system_attrs))


def test_where_every_trial_may_fail_a_sweep_ends(application):
    numbers = []

    def fails(config):
        numbers.append(config.x)
        raise RuntimeError("no")

    application.run(fails, "x=interval(0,1)", "hydra.sweeper.max_failure_rate=1.0")
    assert len(numbers) == 3
    assert [trial.state.name for trial in application.study().trials] == ["FAIL"] * 3


@pytest.mark.parametrize("url", ["sqlite:///kept/study.db", "journal:kept/study.log"])
@pytest.mark.filterwarnings("ignore:Future Hydra versions", "ignore::hydra.errors.Hydra14MigrationWarning")
@pytest.mark.parametrize("version_base", ["1.1", "1.3"])
def test_where_jobs_change_their_folder_a_relative_storage_is_found(application, url, version_base):
    application.version_base = version_base
    (application.folder / "kept").mkdir()
    seen = []

    def task(config):
        seen.append((Path.cwd(), hydra.utils.get_original_cwd(), config.where))
        return config.x

    application.run(
        task, "x=interval(0,1)", "+where=${hydra:runtime.cwd}", f"hydra.sweeper.storage={url}",
        *([] if version_base == "1.1" else ["hydra.job.chdir=true"]),
    )  # fmt: skip
    folder = application.folder
    assert seen == [(folder / "sweep" / str(number), str(folder), str(folder)) for number in range(3)]
    assert (folder / "kept" / Path(url).name).is_file()
    os.chdir("/")
    assert len(application.study().trials) == 3


def test_every_trial_begins_in_the_folder_of_the_command(application):
    seen = []

    def wanders(config):
        seen.append(Path.cwd())
        os.chdir("conf")
        return config.x

    application.run(wanders, "x=interval(0,1)", "hydra.sweeper.n_trials=2")
    assert seen == [application.folder] * 2


def test_the_folder_of_a_trial_is_the_users(application, task):
    application.run(task, "x=0.5,0.25", "y=1", "hydra.sweep.subdir=${hydra.job.override_dirname}", "hydra/sweeper/sampler=grid")
    sweep = application.folder / "sweep"
    assert {folder.relative_to(sweep).name for folder in task.folders} == {"x=0.5,y=1", "x=0.25,y=1"}
    application.run(task, "x=0.5,0.25", "hydra.sweep.subdir=all", "hydra/sweeper/sampler=grid", "hydra.sweep.dir=two")
    assert [folder.name for folder in task.folders[2:]] == ["all", "all-1"]  # no two trials share one
    named = "hydra.sweep.subdir=${hydra.job.num}_${hydra.job.override_dirname}"
    application.run(task, "x=interval(0.5,0.5)", "y=${x}", named, "hydra.sweep.dir=three", "hydra.sweeper.n_trials=1")
    assert (task.folders[4].name[:7], task.configs[4]["y"]) == ("0_x=0.5", "${x}")
    application.run(
        task, "x=1", "y=choice(2,3)", "hydra.sweep.subdir=${x}", "hydra.sweep.dir=four", "hydra/sweeper/sampler=grid"
    )
    assert [folder.name for folder in task.folders[5:]] == ["1", "1-1"]  # trial 1's own number is taken by trial 0


def test_a_lost_study_is_missed_whatever_the_folders_of_its_trials_are_called(application, task):
    typed = ("x=0.5,0.25", "hydra.sweep.subdir=run/${hydra.job.num}", "hydra/sweeper/sampler=grid")
    application.run(task, *typed)
    (application.folder / "sweep" / "study.journal").unlink()
    with pytest.raises(SweepError, match=r"study\.journal: has gone, but .* a study whose trial 1 has a folder there"):
        application.run(task, *typed)


def test_an_error_beside_the_task_counts_as_an_attempt_and_does_not_hold_the_sweep_up(application, task, monkeypatch):
    values, calls = Worker._all_values, []

    def fails_once(self, trial):
        calls.append(trial.number)
        if len(calls) == 2:
            raise RuntimeError("no idea")
        return values(self, trial)

    monkeypatch.setattr(Worker, "_all_values", fails_once)
    application.run(task, "x=interval(0,1)", "hydra.sweeper.lease_seconds=1")
    assert [trial.state.name for trial in application.study().trials] == ["COMPLETE"] * 3
    assert (sorted(calls), application.study().trials[1].user_attrs["attempt"]) == ([0, 1, 1, 2], 1)


def test_each_of_two_workers_holds_the_study_to_its_own(application):
    def holds(config):
        current_trial().hold_to(f"width {config.model.width}", str(config.x), "x is")
        return config.x

    application.run(holds, "x=1", "model=small,large", "hydra/sweeper/sampler=grid")
    assert application.study().user_attrs["held_to"] == {"width 1": "1", "width 2": "1"}


def test_the_command_continues_a_sweep_whose_folder_and_config_hold_the_time(application, task):
    config = (application.folder / "conf" / "config.yaml").read_text()
    config = config.replace("{dir: sweep}", "{dir: '${logs}/at-${now:%f}'}")
    application.write("config.yaml", config + "logs: logs\nname: ${now:%f}\nlong: at ${name}\n")
    application.run(task, "x=interval(0,1)", "-m")
    [folder] = (application.folder / "logs").iterdir()
    typed = shlex.split(study_file.read(folder).command)[2:]
    assert typed == [f"hydra.sweep.dir=logs/{folder.name}", "x=interval(0,1)", "-m"]
    application.run(task, "hydra.sweeper.n_trials=4", *typed)
    assert [folder] == list((application.folder / "logs").iterdir())
    assert len(task.configs) == 4


def test_to_the_applications_callbacks_a_job_is_a_trial(application, task, monkeypatch):
    jobs = []

    class Listener(Callback):
        def on_job_start(self, config, **_):
            jobs.append(("start", config.hydra.job.num))

        def on_job_end(self, config, job_return, **_):
            jobs.append((job_return.return_value, config.hydra.job.num))

    monkeypatch.setattr(
        "hydra._internal.callbacks.Callbacks.__init__", lambda self, *_: setattr(self, "callbacks", [Listener()])
    )
    application.run(task, "x=0.5,0.25", "hydra/sweeper/sampler=grid")
    values = [config["x"] for config in task.configs]
    assert jobs == [("start", 0), (values[0], 0), ("start", 1), (values[1], 1)]


def test_a_warm_start_takes_what_lies_in_another_space(application, task, capsys):
    first = ["hydra.sweep.dir=sweeps/first", "hydra.sweeper.study_name=first", "hydra/sweeper/sampler=grid"]
    application.run(task, *first, "x=0.25,0.5,2", "y=1,2", "hydra.sweeper.n_trials=6")
    second = ["hydra.sweep.dir=sweeps/second", "hydra.sweeper.study_name=second", "hydra.sweeper.warm_start_from=first"]
    # Narrower and continuous, with one parameter more and one less.
    space = ["x=interval(0,1)", "model=small,large", "+z=3"]
    application.run(task, *second, *space[:2], "hydra.sweeper.n_trials=1", "hydra/job_logging=default")
    printed = capsys.readouterr().out
    assert "hydra.sweeper.warm_start_from: left out 2 trials outside of the space" in printed
    assert "taken over: 4 finished trials of first" in printed
    taken = application.study("sweeps/second").trials[:4]
    assert sorted((trial.params["x"], trial.params["model"]) for trial in taken) == [(0.25, "small")] * 2 + [(0.5, "small")] * 2
    with pytest.raises(SweepError, match="z: now 3, but the study first has nothing"):
        application.run(task, "hydra.sweep.dir=sweeps/third", "hydra.sweeper.warm_start_from=first", *space)


def test_a_trial_that_hangs_is_ended_with_its_reason(application):
    def hangs(_):
        while True:
            time.sleep(60)

    limits = ["hydra.sweeper.trial_timeout=0.5", "hydra.sweeper.max_retries=1", "hydra.sweeper.max_failure_rate=0"]
    with pytest.raises(SweepError, match=r"it ran longer than hydra\.sweeper\.trial_timeout=0\.5 s 2 times \(hydra\.sw"):
        application.run(hangs, "x=interval(0,1)", *limits)
    assert [trial.state.name for trial in application.study().trials] == ["FAIL"]


def test_a_config_may_hold_a_nan(application, task):
    typed = ("x=interval(0,1)", "+fill=nan", "+fills=[nan,{a:nan}]")
    application.run(task, *typed)
    application.run(task, *typed, "hydra.sweeper.n_trials=4")
    assert [trial.state.name for trial in application.study().trials] == ["COMPLETE"] * 4
    assert len(application.study().user_attrs["searches"]) == 2  # for its number of trials
    assert "++fill" not in (application.folder / "sweep" / "experiment" / "best.yaml").read_text()


def test_ctrl_c_ends_the_wait_for_space_on_the_disk(application, task, monkeypatch):
    def write(**_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back afterwards
    monkeypatch.setattr(worker, "run_job", write)
    with pytest.raises(KeyboardInterrupt):
        application.run(task, "x=interval(0,1)")
    assert [trial.state.name for trial in application.study().trials] == ["WAITING"]
