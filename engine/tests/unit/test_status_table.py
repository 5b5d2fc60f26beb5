import datetime
import io
import os
import socket

import optuna
import pytest
from hydra_async_sweeper.terminal import status_table
from hydra_async_sweeper.workers.process_identity import machine, process_start
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState
from rich.console import Console

NOW = datetime.datetime.now()


@pytest.fixture(autouse=True)
def _now() -> None:
    """Renew it for each test: a trial that nobody has taken up for a minute counts as dead."""
    global NOW
    NOW = datetime.datetime.now()


SPACE = {
    "architecture.growth_rate": IntDistribution(1, 99),
    "architecture.depth": IntDistribution(1, 99),
    "optimizer.lr": FloatDistribution(0, 1),
}
PARAMS = {"architecture.growth_rate": 24, "architecture.depth": 40, "optimizer.lr": 0.0123456}


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(direction="maximize")


def add(study, state="RUNNING", *, began=60.0, ended=0.0, params=None, distributions=None, values=None, steps=(), **attributes):
    """Add a trial that began and ended so many seconds before NOW."""
    trial = optuna.trial.create_trial(
        state=TrialState[state],
        params=PARAMS if params is None else params,
        distributions=SPACE if distributions is None else distributions,
        values=values,
        intermediate_values=dict(enumerate(steps, start=1)),
        user_attrs=attributes,
    )
    trial.datetime_start = NOW - datetime.timedelta(seconds=began)
    trial.datetime_complete = NOW - datetime.timedelta(seconds=ended) if trial.state.is_finished() else None
    study.add_trial(trial)


def lease(**changes: object) -> dict:
    mine = {"host": socket.gethostname(), "machine": machine(), "pid": os.getpid(), "process_start": process_start(os.getpid())}
    return {**mine, "token": "x", **changes}


def drawn(study: optuna.Study, width: int = 120, n_trials: int | None = 24) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width)
    console.print(status_table.render(status_table.read(study), n_trials, NOW))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def cells(study: optuna.Study, number: int) -> list[str]:
    """Return what follows the parameters in the line of a running trial."""
    [line] = [line for line in drawn(study) if line.split()[:1] == [str(number)] and "lr=" in line]
    assert line.split()[1:4] == ["growth_rate=24", "depth=40", "lr=0.0123"]
    return line.split()[4:]


def below(study: optuna.Study, heading: str) -> list[list[str]]:
    """Return the words of the lines below the last table, which has `heading`."""
    lines = drawn(study)
    [top] = [index for index, line in enumerate(lines) if line.split() == heading.split()]
    return [line.split() for line in lines[top + 2 :]]


def test_the_progress(study):
    add(study, "COMPLETE", values=[0.5], began=100, ended=40)
    add(study, "COMPLETE", values=[0.75], began=100, ended=0)
    add(study, "PRUNED", began=100, ended=90)
    add(study, "FAIL", began=100, ended=0)
    add(study, lease=lease())
    add(study, lease=lease())
    add(study, "WAITING")
    # 24 - 3 trials of 60 seconds, on two workers
    assert drawn(study)[0] == (
        "3 of 24 finished: 2 complete, 1 pruned, 1 failed, 2 running, 1 waiting   best 0.7500 (trial 1)   ETA 10:30"
    )


def test_the_progress_of_what_has_not_begun_and_has_no_budget(study):
    assert drawn(study) == ["0 of 24 finished: 0 running"]
    assert drawn(study, n_trials=None) == ["0 finished: 0 running"]


def test_the_caption_of_the_application(study):
    study.set_user_attr("caption", "value: valid_accuracy")
    assert drawn(study) == ["0 of 24 finished: 0 running", "value: valid_accuracy"]


def test_a_worker_that_is_dead_shortens_no_sweep(study):
    add(study, "COMPLETE", values=[0.5], began=100, ended=40)
    add(study, lease=lease(process_start=1.0))
    assert "ETA" not in drawn(study)[0]
    add(study, lease=lease())
    assert "ETA 23:00" in drawn(study)[0]


def test_the_best_is_the_least_where_the_study_minimizes():
    study = optuna.create_study(direction="minimize")
    add(study, "COMPLETE", values=[2.0])
    add(study, "COMPLETE", values=[1.0])
    assert "best 1.0000 (trial 1)" in drawn(study)[0]


def test_the_best_keeps_the_constraints(study):
    for value, excess in ((0.9, 1.0), (0.8, -1.0)):
        trial = study.ask()
        trial.set_constraint("memory", excess)
        study.tell(trial, value)
    assert "best 0.8000 (trial 1)" in drawn(study)[0]


def test_a_running_trial(study):
    add(study, began=90, steps=[0.25, 0.5, 0.625], num_steps=10, lease=lease())
    # seven epochs at 30 seconds each
    assert cells(study, 0) == ["3/10", "0.6250", "1:30", "1", "running", str(os.getpid()), "3:30"]


def test_a_step_in_part(study):
    add(study, began=90, steps=[0.25, 0.5], num_steps=10, lease=lease(done=2.46))
    add(study, began=90, steps=[0.25, 0.5, 0.625], num_steps=10, lease=lease(done=2.96))  # an older lease
    add(study, began=90, lease=lease(done=0.99))
    assert [cells(study, number)[0] for number in range(3)] == ["2.4/10", "3/10", "0.9"]


def test_a_running_trial_that_has_not_reported(study):
    add(study, began=3700, num_steps=10, lease=lease())
    assert cells(study, 0) == ["0/10", "1:01:40", "1", "running", str(os.getpid())]


def test_a_running_trial_whose_number_of_steps_is_not_known(study):
    add(study, steps=[0.25, 0.5], lease=lease())
    assert cells(study, 0) == ["2", "0.5000", "1:00", "1", "running", str(os.getpid())]


def test_a_trial_that_was_continued_is_foreseen_by_what_its_steps_took_or_not_at_all(study):
    add(study, began=5, steps=[0.5, 0.5], num_steps=10, attempt=1, seconds=20.0, lease=lease())
    add(study, began=5, steps=[0.5, 0.5], num_steps=10, attempt=1, lease=lease())
    assert cells(study, 0)[3:] == ["2", "running", str(os.getpid()), "1:20"]
    assert cells(study, 1)[3:] == ["2", "running", str(os.getpid())]


def test_a_dead_worker_is_called_so(study):
    add(study, steps=[0.5], num_steps=10, lease=lease(process_start=1.0))
    assert cells(study, 0)[-2:] == ["dead", str(os.getpid())]
    assert "dead: its worker has died, and the next free one takes the trial up" in drawn(study)


def test_a_trial_without_a_lease_is_starting(study):
    add(study, began=1)
    assert cells(study, 0)[-1] == "starting"
    assert not any(line.startswith("dead") for line in drawn(study))


def test_a_worker_elsewhere_is_named_by_its_host(study):
    add(study, lease=lease(host="node-7.cluster.example", machine="node-7", pid=17))
    assert cells(study, 0)[-3:] == ["running", "node-7", "17"]


def test_gpus_have_a_column_where_there_are_some(study):
    add(study, lease=lease(gpu=None))
    assert not any("GPU" in line for line in drawn(study))
    add(study, lease=lease(gpu="3"))
    assert any("GPU" in line for line in drawn(study))
    assert cells(study, 1)[-2:] == [str(os.getpid()), "3"]


def test_parameters_whose_last_parts_are_the_same_keep_their_names(study):
    unit = FloatDistribution(0, 1)
    params = {"encoder.lr": 0.5, "decoder.lr": 0.25}
    add(study, params=params, distributions=dict.fromkeys(params, unit), lease=lease())
    assert any("encoder.lr=0.5 decoder.lr=0.25" in line or "decoder.lr=0.25 encoder.lr=0.5" in line for line in drawn(study))


def test_the_last_five_that_ended_stand_below_the_newest_first(study):
    for number in range(6):
        add(study, "COMPLETE", values=[number / 8], began=100, ended=50 - number)
    add(study, "PRUNED", steps=[0.25, 0.5], began=100, ended=10)
    add(study, "FAIL", began=100, ended=5, reason="ValueError: [red]no[/red]")
    assert below(study, "trial value state") == [
        ["7", "failed:", "ValueError:", "[red]no[/red]"],
        ["6", "0.5000", "pruned"],
        ["5", "0.6250", "complete"],
        ["4", "0.5000", "complete"],
        ["3", "0.3750", "complete"],
    ]


def test_it_says_how_well_the_step_at_which_trials_stop_orders_the_ends(study):
    for number in range(6):
        add(study, "COMPLETE", values=[2.0 * number], steps=(number, 2.0 * number))
    assert not any("orders" in line for line in drawn(study))
    add(study, "PRUNED", values=[0.5], steps=(0.5,))
    assert drawn(study)[-1] == "step 1 orders the ends with 1.00 (-0.1 to 1.0, 6 trials)"


def test_several_objectives_have_values_and_no_best():
    study = optuna.create_study(directions=["maximize", "minimize"])
    add(study, "COMPLETE", values=[0.75, 77322.0])
    assert "best" not in drawn(study)[0]
    assert below(study, "trial value state") == [["0", "0.7500", "77,322", "complete"]]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.0000"), (-0.5, "-0.5000"), (0.00012345, "0.0001234"), (12345.6, "12,346"), (1e12, "1e+12")]
)
def test_numbers_of_any_size(study, value, text):
    add(study, "COMPLETE", values=[value])
    assert below(study, "trial value state") == [["0", text, "complete"]]


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("is_crowded", [False, True])
def test_it_fits_and_numbers_are_right_aligned(study, width, is_crowded):
    for number in range(12):
        add(study, "FAIL", reason="out of memory: " + 30 * "very much ", ended=number)
    add(study, steps=[0.5], num_steps=10, lease=lease(gpu="0"))
    add(study, began=5000, steps=12 * [0.5], num_steps=100, lease=lease(gpu="0,1,2,3,4,5,6,7" if is_crowded else "1"))
    if is_crowded:
        add(study, attempt=1, lease=lease(host="a-long-name-of-a-host-17", machine="a-long", pid=1234567))
    lines = drawn(study, width)
    assert max(map(len, lines)) <= width
    if not is_crowded:
        assert "lr=0.0123" in "".join(lines)
    first, second = (
        next(line for line in lines if line.split()[:1] == [number] and "growth" in line) for number in ("12", "13")
    )
    assert first.index("1/10") + len("1/10") == second.index("12/100") + len("12/100")


def test_where_the_terminal_is_narrow_columns_that_say_nothing_give_way_to_the_parameters(study):
    def headings() -> list[str]:
        return next(line.split() for line in drawn(study, 80) if "parameters" in line)

    add(study, "WAITING")
    add(study, steps=[0.5], num_steps=10, lease=lease(gpu="0"))
    assert headings() == ["trial", "parameters", "step", "value", "elapsed", "worker", "GPU", "ETA"]
    add(study, steps=[0.5], num_steps=10, attempt=1, lease=lease(gpu="1", process_start=1.0))
    assert headings() == ["trial", "parameters", "step", "value", "elapsed", "attempt", "state", "worker", "GPU", "ETA"]


def test_the_time_of_rungs_is_none_of_the_epochs_ahead(study):
    took = {"num_steps": 4, "lease": lease(), "rung_seconds": 10.0}
    add(study, steps=[0.5], seconds=10.0, **took)  # at its rung: as if each epoch took what the rung did
    add(study, steps=[0.5, 0.6], seconds=50.0, **took)
    assert [cells(study, number)[-1] for number in (0, 1)] == ["0:30", "0:40"]
