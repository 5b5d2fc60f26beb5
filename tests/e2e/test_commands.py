"""The commands as a user types them, each in a process of its own, in an empty folder."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

COMMAND = str(Path(sys.executable).parent / "densenet-sweep")


def typed(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_help_lists_what_can_be_typed_and_writes_nothing(tmp_path):
    shown = typed(tmp_path, "--help")
    assert shown.returncode == 0
    for line in ("densenet-sweep sweep=quickstart", "describe", "compare [STUDY ...]", "ui", "densenet_bc100_k12", "nesterov"):
        assert line in shown.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--cfg", "job"], ["--info", "defaults-tree"], ["nonsense"], ["optimizer.lr=-1"], ["-m", "epoch=1,2"]],
)
def test_nothing_heavy_is_imported_for_a_quick_answer(tmp_path, arguments):
    script = (
        "import sys; from densenet_sweep.__main__ import main; sys.argv[1:] = sys.argv[1:]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('HEAVY', sorted({'torch', 'mlflow', 'optuna', 'torchvision', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=True
    )
    assert "HEAVY []" in done.stdout


def test_the_module_is_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "densenet_sweep", "describe", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert json.loads(done.stdout)["num_parameters"] == 71_254


def test_shell_completion_completes_groups_and_options(tmp_path):
    environment = {"COMP_LINE": f"{COMMAND} optimizer=ne", "COMP_POINT": str(len(COMMAND) + 13)}

    done = subprocess.run(
        [COMMAND, "-sc", "query=bash"], env={**os.environ, **environment}, cwd=tmp_path, capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip
    assert "optimizer=nesterov" in done.stdout


def test_the_readmes_sweep_on_data_that_is_always_there(tmp_path):
    done = typed(tmp_path, "sweep=quickstart", "data=digits", "data.num_train=null", "epochs=2", "hydra.sweeper.n_trials=3")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "study quickstart-digits" in done.stdout
    assert "Next:" in done.stdout
    assert "Traceback" not in done.stderr
    again = typed(tmp_path, "sweep=quickstart", "data=digits", "data.num_train=null", "epochs=2", "hydra.sweeper.n_trials=3")
    assert "3 of 3 trials are finished" in again.stdout
    compared = typed(tmp_path, "compare", "quickstart-digits")
    assert "One accuracy on 288 validation images" in compared.stdout
    missing = typed(tmp_path, "compare", "quickstrat-digits")
    assert missing.returncode == 1
    assert missing.stderr == (
        "densenet-sweep: error: quickstrat-digits: no such study; did you mean quickstart-digits?; "
        "there are quickstart-digits\n"
    )
    best = typed(tmp_path, "--config-dir", "outputs/sweeps/quickstart-digits", "experiment=best", "tracking=none")
    assert best.returncode == 0, best.stderr
    assert re.findall(r"epoch (\d/\d) ", best.stdout) == ["1/2", "2/2"]


def test_a_config_of_hydra_optuna_sweeper_needs_only_another_name(tmp_path):
    """The example of that plugin's documentation, with `optuna` replaced by `densenet_sweep`."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(
        """
defaults:
  - _self_
  - override hydra/sweeper: async_optuna
  - override hydra/sweeper/sampler: tpe

hydra:
  sweeper:
    sampler:
      seed: 123
    direction: minimize
    study_name: sphere
    storage: null
    n_trials: 8
    n_jobs: 1
    max_failure_rate: 0.0
    params:
      x: range(-5.5,5.5,step=0.5)
      y: choice(-5,0,5)

x: 1
y: 1
z: 1
"""
    )
    (tmp_path / "sphere.py").write_text(
        """
import hydra

@hydra.main(version_base=None, config_path="conf", config_name="config")
def sphere(cfg) -> float:
    return cfg.x**2 + cfg.y**2

if __name__ == "__main__":
    sphere()
"""
    )
    done = subprocess.run(
        [sys.executable, "sphere.py", "--multirun"], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "8 of 8 trials are finished" in done.stderr + done.stdout
    assert list(tmp_path.glob("multirun/*/*/study.journal"))


def test_a_custom_search_space_adds_parameters(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(
        """
defaults:
  - _self_
  - override hydra/sweeper: async_optuna
hydra:
  sweeper:
    n_trials: 4
    params:
      x: interval(0,1)
    custom_search_space: toy.more
x: 1
y: 0
"""
    )
    (tmp_path / "toy.py").write_text(
        """
import hydra

def more(cfg, trial):
    if trial.params["x"] > 0.5:
        trial.suggest_int("y", 1, 9)

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg) -> float:
    assert (cfg.y > 0) == (cfg.x > 0.5)
    return cfg.y

if __name__ == "__main__":
    main()
"""
    )
    done = subprocess.run(
        [sys.executable, "toy.py", "-m", "hydra.sweeper.max_failure_rate=0"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "PYTHONPATH": "."},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
