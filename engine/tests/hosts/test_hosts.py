"""What hosts that share a study in PostgreSQL, and no folder, do to each other and when one of them is lost."""

import time
from collections.abc import Iterable

import pytest
from waiting import wait_for

pytestmark = pytest.mark.real("hosts")

APPLICATION = """
import os, time
ahead, true_time = float(os.environ.get("CLOCK_AHEAD", 0)), time.time
time.time = lambda: true_time() + ahead
import hydra
from omegaconf import DictConfig
from hydra_async_sweeper import current_trial

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig):
    trial = current_trial()
    with open("ran.txt", "a") as file:
        print(trial.number, config.x, file=file)
    for step in range(1, config.steps + 1):
        time.sleep(config.seconds)
        trial.report(config.x, step)
    return config.x

if __name__ == "__main__":
    main()
"""

CONFIG = """
defaults:
  - _self_
  - override hydra/sweeper: async_optuna
x: 1.0
steps: 2
seconds: 0.05
hydra:
  mode: MULTIRUN
  sweep:
    dir: sweep
  sweeper:
    storage: ${oc.env:STUDIES}
    direction: maximize
    n_trials: 5
    lease_seconds: 4
    ignore_changes: [steps, seconds]
    params:
      x: interval(0,1)
"""


@pytest.fixture(autouse=True)
def _application(hosts) -> None:
    for host in hosts:
        (host.folder / "conf").mkdir()
        (host.folder / "application.py").write_text(APPLICATION)
        (host.folder / "conf" / "config.yaml").write_text(CONFIG)


def ended(processes: Iterable) -> list[int]:
    return [process.wait(timeout=150) for process in processes]


LEASE_SECONDS = 4
# A trial that lasts until the test is over.
ENDLESS = ("steps=10000", "seconds=0.3")


def ran(host) -> list[tuple[int, str]]:
    """Return the number and the value of each trial that began there."""
    path = host.folder / "ran.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(line.split()[0]), line.split()[1]) for line in lines]


def numbers(host) -> list[int]:
    return [number for number, _ in ran(host)]


def test_hosts_that_join_a_new_study_at_once_share_its_budget_and_its_first_trials(between, hosts):
    overrides = ("hydra.sweeper.study_name=joined", "hydra.sweeper.enqueue=[{x:0.125},{x:0.875}]")
    processes = [host.start(*overrides) for host in hosts]
    assert ended(processes) == [0, 0], [host.said() for host in hosts]
    assert [trial.state.name for trial in between.trials("joined")] == ["COMPLETE"] * 5
    trials = sorted(trial for host in hosts for trial in ran(host))
    assert [number for number, _ in trials] == [0, 1, 2, 3, 4]
    assert [value for _, value in trials[:2]] == ["0.125", "0.875"]
    assert {"0.125", "0.875"}.isdisjoint(value for _, value in trials[2:])


def test_a_host_ten_minutes_ahead_takes_the_trial_of_a_dead_host_and_of_no_other(between, hosts):
    lost, ahead = hosts
    lost.start("hydra.sweeper.study_name=clocks", *ENDLESS)
    wait_for(lambda: numbers(lost) == [0])
    running = ahead.start("hydra.sweeper.study_name=clocks", CLOCK_AHEAD="600")
    wait_for(lambda: numbers(ahead) == [1, 2, 3, 4])
    time.sleep(1.5 * LEASE_SECONDS)
    assert numbers(ahead) == [1, 2, 3, 4]
    lost.kill()
    assert ended([running]) == [0], ahead.said()
    assert numbers(ahead) == [1, 2, 3, 4, 0]
    assert [trial.state.name for trial in between.trials("clocks")] == ["COMPLETE"] * 5


def test_a_host_that_is_cut_off_says_so_and_loses_its_trial_after_the_lease(between, hosts):
    cut, other = hosts
    processes = [cut.start("hydra.sweeper.study_name=cut", *ENDLESS)]
    wait_for(lambda: numbers(cut) == [0])
    processes.append(other.start("hydra.sweeper.study_name=cut"))
    wait_for(lambda: numbers(other) == [1, 2, 3, 4])
    cut.cut()
    time.sleep(LEASE_SECONDS / 4)
    cut.mend()
    time.sleep(1.5 * LEASE_SECONDS)
    assert numbers(other) == [1, 2, 3, 4]
    assert "does not answer" not in cut.said()
    cut.cut()
    wait_for(lambda: "the study's storage does not answer" in cut.said(), seconds=25.0)
    wait_for(lambda: numbers(other) == [1, 2, 3, 4, 0])
    cut.mend()
    assert ended(processes) == [0, 0], [host.said() for host in hosts]
    assert [trial.state.name for trial in between.trials("cut")] == ["COMPLETE"] * 5
    assert cut.said().count("the study's storage does not answer") == 1
    assert cut.said().count("the study's storage is back after") == 1
    assert "does not answer" not in other.said()
