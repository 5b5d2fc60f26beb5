"""The local launcher with real processes, on an application that is not ours."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import psutil
import pytest
from waiting import wait_for

LOCAL = "hydra/launcher=local"


def children(pid: int) -> list[psutil.Process]:
    return [process for process in psutil.Process(pid).children() if "local_process" in " ".join(process.cmdline())]


def test_a_sweep_runs_on_several_workers(toy):
    """Its script is not in the working folder, imports what is beside it, and registers a resolver where it is run."""
    source = (toy.folder / toy.script).read_text()
    for before, after in {
        "import hydra\n": "import hydra\nfrom beside import twice\nfrom omegaconf import OmegaConf\n"
        "OmegaConf.register_new_resolver('twice', lambda value: twice(value))\n",
        'config_path="conf"': 'config_path="../conf"',
        "    return config.x * config.steps + config.model.width\n": "    return config.doubled\n",
    }.items():
        assert before in source
        source = source.replace(before, after)
    toy.script = "the source/application.py"
    (toy.folder / "the source").mkdir()
    (toy.folder / toy.script).write_text(source)
    (toy.folder / "the source" / "beside.py").write_text("def twice(value):\n    return 2 * value\n")
    code, output = toy.run(
        LOCAL, "hydra.launcher.num_workers=2", "seconds=0.05", "hydra.sweeper.n_trials=8", "+doubled='${twice:${x}}'"
    )
    assert code == 0, output
    study = toy.study()
    trials = [trial for trial in study.trials if trial.state.name != "WAITING"]
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 8
    assert [trial.value for trial in trials] == [2 * trial.params["x"] for trial in trials]
    assert len({trial.user_attrs["lease"]["pid"] for trial in study.trials if "lease" in trial.user_attrs}) == 2
    assert len({line[0] for line in toy.ran()}) == len(toy.ran()) == 8


UNLOADABLE = """import sys, types
ghost = sys.modules["ghost"] = types.ModuleType("ghost")
exec("def width(config): return config.model.width", vars(ghost))
width = ghost.width
"""


def test_a_job_that_its_process_cannot_load_says_why_and_is_not_started_again(toy):
    source = (toy.folder / toy.script).read_text().replace("+ config.model.width", "+ width(config)")
    (toy.folder / toy.script).write_text(UNLOADABLE + source)
    code, output = toy.run(LOCAL, "hydra.launcher.num_workers=1")
    assert code == 1
    assert output.count("local: a process cannot load its job: ModuleNotFoundError: No module named 'ghost'") == 1
    assert "Traceback" not in output


def test_a_script_that_cannot_be_sent_is_refused_before_anything_is_written(toy):
    source = (toy.folder / toy.script).read_text().replace("+ config.model.width", "+ LOCK.locked()")
    (toy.folder / toy.script).write_text("import threading\nLOCK = threading.Lock()\n" + source)
    before = sorted(toy.folder.iterdir())
    ran = toy.run(LOCAL)
    assert sorted(toy.folder.iterdir()) == before
    (toy.folder / "conf" / "config.yaml").write_text(PLAIN)
    for code, output in (ran, toy.run("-m", LOCAL, "x=1,2", "hydra.sweep.dir=grid")):
        assert code == 1
        assert "hydra/launcher=local: main uses LOCK, a _thread.lock, which cannot be sent to another process" in output
        assert "Traceback" not in output


@pytest.mark.parametrize("is_sweep", [True, False])
def test_a_task_that_raises_keyboard_interrupt_interrupts_the_sweep(toy, is_sweep):
    source = (toy.folder / toy.script).read_text()
    (toy.folder / toy.script).write_text(source.replace('RuntimeError("too much")', "KeyboardInterrupt"))
    if not is_sweep:
        (toy.folder / "conf" / "config.yaml").write_text(PLAIN)
    typed = ["hydra.sweeper.n_trials=2"] if is_sweep else ["-m", "x=1,2", "hydra.sweep.dir=grid"]
    code, output = toy.run(*typed, LOCAL, "hydra.launcher.num_workers=1", "fail_above=0")
    assert code == -signal.SIGINT
    assert output.count("its task raised KeyboardInterrupt, which counts as Ctrl-C") == 1
    assert len(toy.ran()) == 1
    if is_sweep:
        assert "interrupted; continue with" in output
        assert toy.states() == ["WAITING"]


CLEANED = """
import glob, os, shutil, tempfile
for folder in glob.glob(os.path.join(tempfile.gettempdir(), "hydra-async-sweeper-*")):
    shutil.rmtree(folder)
"""


@pytest.mark.parametrize("is_sweep", [True, False])
def test_a_cleaned_folder_for_temporary_files_fails_no_trial(toy, is_sweep):
    source = (toy.folder / toy.script).read_text()
    cleaning = CLEANED.replace("\n", "\n    ")
    (toy.folder / toy.script).write_text(
        source.replace("    trial = current_trial()\n", f"    trial = current_trial()\n{cleaning}\n")
    )
    (toy.folder / "tmp").mkdir()
    toy.environment["TMPDIR"] = str(toy.folder / "tmp")
    if not is_sweep:
        (toy.folder / "conf" / "config.yaml").write_text(PLAIN)
    code, output = toy.run(*([] if is_sweep else ["-m", "x=1"]), LOCAL, "hydra.launcher.num_workers=1", "hydra.sweep.dir=sweep")
    assert output.count("local: a process cannot write what its job returned: [Errno 2]") == 1, output
    assert "Traceback" not in output
    if is_sweep:
        assert code == 0
        assert output.count("hydra.sweeper.trial_timeout may not end a trial that hangs") == 1
        assert toy.states() == ["COMPLETE"] * 6
        assert not any(trial.user_attrs.get("attempt") for trial in toy.study().trials)
    else:
        assert code == 1
        assert "job 0: its process could not write what it returned" in output


EARLY = """
import time
from pathlib import Path
from hydra.experimental.callback import Callback

class Early(Callback):
    def on_sweep_start(self, config):
        return ["not_there", "noting"]

    def on_study_open(self, **_):
        while len(list(Path("early").iterdir())) < 2:
            time.sleep(0.05)
"""


def test_workers_start_early_for_what_the_application_names(toy):
    (toy.folder / "early.py").write_text(EARLY)
    (toy.folder / "noting.py").write_text("import os\nopen(f'early/{os.getpid()}', 'w').close()\n")
    (toy.folder / "early").mkdir()
    named = "+hydra.callbacks.early._target_=early.Early"
    code, output = toy.run(LOCAL, named, "hydra.launcher.num_workers=2", "seconds=0.05", "hydra.sweeper.n_trials=6")
    assert code == 0, output
    pids = {trial.user_attrs["lease"]["pid"] for trial in toy.study().trials if "lease" in trial.user_attrs}
    early = {int(file.name) for file in (toy.folder / "early").iterdir()}
    assert len(early) == 2
    assert pids <= early  # under load one worker may take all trials
    assert len(toy.ran()) == 6


LARGE = """
from hydra.experimental.callback import Callback

class Large(Callback):
    def on_worker_memory(self, config):
        return [config.steps * 2**58]
"""


@pytest.mark.parametrize(("given", "num_workers"), [([], 1), (["hydra.launcher.num_workers=2"], 2)])
def test_as_many_workers_start_as_there_is_memory_for_unless_the_user_says(toy, given, num_workers):
    (toy.folder / "large.py").write_text(LARGE)
    named = "+hydra.callbacks.large._target_=large.Large"
    toy.environment["CUDA_VISIBLE_DEVICES"] = ""
    code, output = toy.run(LOCAL, named, *given, "hydra.sweeper.n_trials=2")
    assert code == 0, output
    assert f"starting {num_workers} worker" in output
    assert ("GiB of memory a worker takes about 805306368.0: as with hydra.launcher.num_workers=1" in output) == (not given)


PLAIN = """
{x: 1, steps: 2, rungs: [], seconds: 0, fail_above: null, exit_above: null, die_at: null, returns: null, model: {width: 1}}
"""


def test_a_plain_grid_runs_in_parallel_with_hydras_folders(toy):
    (toy.folder / "conf" / "config.yaml").write_text(PLAIN)
    code, output = toy.run("-m", LOCAL, "hydra.launcher.num_workers=2", "x=1,2,3", "hydra.sweep.dir=grid")
    assert code == 0, output
    assert sorted((x, folder) for _, x, _, folder in toy.ran()) == [("1", "0"), ("2", "1"), ("3", "2")]


def test_a_grid_job_whose_process_dies_has_failed_and_says_so(toy):
    (toy.folder / "conf" / "config.yaml").write_text(PLAIN)
    code, output = toy.run("-m", LOCAL, "hydra.launcher.num_workers=1", "x=1,2", "die_at=1")
    assert code != 0
    assert "job 0: its process died (SIGKILL)" in output
    assert len(toy.ran()) == 2  # the other job ran all the same


def test_a_killed_worker_is_replaced_and_its_trial_continued(toy):
    code, output = toy.run(LOCAL, "hydra.launcher.num_workers=2", "die_at=2", "seconds=0.05", "hydra.sweeper.n_trials=4")
    assert code == 0, output
    trials = [trial for trial in toy.study().trials if trial.state.name != "WAITING"]
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4
    [continued] = [trial for trial in trials if trial.user_attrs.get("attempt")]
    assert continued.user_attrs["first_step"] == 2
    numbers = [line[0] for line in toy.ran()]
    assert len(numbers) == 5
    assert len(set(numbers)) == 4


def test_one_ctrl_c_lets_every_worker_finish_its_step(toy):
    with toy.start(LOCAL, "hydra.launcher.num_workers=2", "steps=100", "seconds=0.1", "hydra.sweeper.n_trials=2") as process:
        wait_for(lambda: len(list((toy.folder / "sweep").glob("*/state.json"))) == 2)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=200)
    assert process.returncode != 0
    assert output.count("stopping after this step") == 2
    assert "continue with:" in output
    assert toy.states() == ["WAITING"] * 2
    assert all(1 <= len(trial.intermediate_values) < 100 for trial in toy.study().trials)


def test_a_second_ctrl_c_ends_everything_at_once(toy):
    with toy.start(LOCAL, "hydra.launcher.num_workers=2", "steps=2", "seconds=60", "hydra.sweeper.n_trials=2") as process:
        wait_for(lambda: (toy.folder / "ran.txt").exists() and len(toy.ran()) == 2)
        workers = children(process.pid)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    wait_for(lambda: not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers), 10)
    assert toy.states() == ["WAITING"] * 2
    assert not [trial for trial in toy.study().trials if "attempt" in trial.user_attrs]  # who stops at once has not died


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_impatient_user_ends_everything_at_once(toy, number):
    with toy.start(LOCAL, "hydra.launcher.num_workers=2", "steps=2", "seconds=60", "hydra.sweeper.n_trials=2") as process:
        wait_for(lambda: (toy.folder / "ran.txt").exists() and len(toy.ran()) == 2)
        workers = children(process.pid)
        for _ in range(100):
            process.send_signal(number)
            time.sleep(0.005)
        process.communicate(timeout=20)
    wait_for(lambda: not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers), 10)
    assert toy.states() == ["WAITING"] * 2
    assert not [trial for trial in toy.study().trials if "attempt" in trial.user_attrs]


def test_an_impatient_user_leaves_no_worker_that_hangs(toy):
    with toy.start(LOCAL, "hydra.launcher.num_workers=1", "+hang_above=-1", "hydra.sweeper.n_trials=1") as process:
        wait_for(lambda: (toy.folder / "ran.txt").exists() and len(toy.ran()) == 1)
        [worker] = [child for child in children(process.pid) if "local_process" in " ".join(child.cmdline())]
        for _ in range(100):
            process.send_signal(signal.SIGINT)
            time.sleep(0.005)
        try:
            wait_for(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 20)
        finally:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        process.communicate(timeout=20)


def test_a_killed_command_leaves_nothing_running_and_loses_nothing(toy):
    overrides = (LOCAL, "hydra.launcher.num_workers=2", "steps=30", "seconds=0.1", "hydra.sweeper.n_trials=2")
    with toy.start(*overrides) as process:
        wait_for(lambda: len(list((toy.folder / "sweep").glob("*/state.json"))) == 2)
        workers = children(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_for(lambda: not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers))
    code, output = toy.run(*overrides)
    assert code == 0, output
    trials = toy.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 2
    assert all(trial.user_attrs["first_step"] > 1 for trial in trials)


def test_five_workers_killed_again_and_again_fail_no_trial_and_share_none(toy):
    overrides = (LOCAL, "hydra.launcher.num_workers=5", "steps=4", "seconds=0.1", "hydra.sweeper.n_trials=12")
    for number in (0, 4):
        with toy.start(*overrides) as process:
            wait_for(lambda number=number: (toy.folder / "sweep" / str(number) / "state.json").exists())
            for each in [psutil.Process(process.pid), *children(process.pid)]:
                each.kill()
            process.wait()
    code, output = toy.run(*overrides)
    assert code == 0, output
    trials = [trial for trial in toy.study().trials if trial.state.name != "WAITING"]
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 12
    begun = Counter(int(number) for number, *_ in toy.ran())
    # Who was killed between taking a trial up and the task's first line had an attempt all the same.
    assert [trial.number for trial in trials if begun[trial.number] > 1 + trial.user_attrs.get("attempt", 0)] == []
    assert max(trial.user_attrs.get("attempt", 0) for trial in trials) in (1, 2)


def test_several_workers_a_gpu_without_one_is_refused_in_one_line(toy):
    toy.environment["CUDA_VISIBLE_DEVICES"] = ""
    code, output = toy.run(LOCAL, "hydra.launcher.workers_per_gpu=2")
    assert code != 0
    assert "hydra.launcher.workers_per_gpu=2: this machine has no visible GPU; 1 is accepted" in output
    assert not (toy.folder / "ran.txt").exists()


def test_on_a_terminal_the_workers_lines_stand_above_a_table(toy):
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, toy.script, LOCAL, "hydra.launcher.num_workers=2", "seconds=0.3", "hydra.sweeper.n_trials=4"]
    environment = {**toy.environment, "TERM": "xterm-256color", "COLUMNS": "110", "LINES": "40"}
    process = subprocess.Popen(command, cwd=toy.folder, env=environment, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            break
    assert process.wait(timeout=200) == 0
    os.close(ours)
    text = shown.decode()
    assert "of 4 finished" in text
    assert "elapsed" in text
    for number in range(4):
        assert text.count(f"trial {number} complete: ") == 1
    assert text.index("trial 3 complete: ") < text.index("the best trial: number")


def test_a_trial_that_does_not_end_by_itself_is_ended_from_outside(toy):
    code, output = toy.run(
        LOCAL, "hydra.launcher.num_workers=1", "x=interval(0.7,1)", "+hang_above=0.6", "hydra.sweeper.trial_timeout=0.5",
        "hydra.sweeper.max_retries=0", "hydra.sweeper.max_failure_rate=0",
    )  # fmt: skip
    assert code == 1
    reason = "it ran longer than hydra.sweeper.trial_timeout=0.5 s once (hydra.sweeper.max_retries=0)"
    assert f"1 of 1 trial failed (hydra.sweeper.max_failure_rate=0); the last one: {reason}" in output
    assert toy.states() == ["FAIL"]
