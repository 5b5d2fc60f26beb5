"""A toy Hydra application, independent of this package, swept by our engine in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest

APPLICATION = """
import json, os, signal, sys, time
from pathlib import Path
import hydra
from omegaconf import DictConfig
from hydra_async_sweeper import TrialPruned, current_trial

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig):
    trial = current_trial()
    folder = Path(hydra.core.hydra_config.HydraConfig.get().runtime.output_dir)
    with open("ran.txt", "a") as file:
        print(trial.number, config.x, config.model.width, folder.name, file=file)
    if config.fail_above is not None and config.x > config.fail_above:
        raise RuntimeError("too much")
    if config.exit_above is not None and config.x > config.exit_above:
        sys.exit("enough")
    if config.returns is not None:
        return {"infinity": float("inf"), "text": "hello", "pair": (1.0, 2.0), "oom": None}[config.returns]
    state = folder / "state.json"
    first = json.loads(state.read_text()) if state.exists() else 0
    if config.rungs:
        trial.annotate("rungs", list(config.rungs))
    for rung in config.rungs:
        if rung not in trial.passed:
            trial.report(config.x, rung)
            if trial.should_prune():
                raise TrialPruned(f"after rung {rung}")
    for step in range(first + 1, config.steps + 1):
        time.sleep(config.seconds)
        if config.die_at == step and not Path("died").exists():
            Path("died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        state.write_text(json.dumps(step))
        trial.report(config.x * step, step)
        if not config.rungs and trial.should_prune():
            raise TrialPruned(f"after {step}")
    trial.annotate("first_step", first + 1)
    return config.x * config.steps + config.model.width

if __name__ == "__main__":
    main()
"""

CONFIG = """
defaults:
  - model: small
  - _self_
  - override hydra/sweeper: async_optuna
x: 1.0
steps: 3
rungs: []
seconds: 0.0
fail_above: null
exit_above: null
die_at: null
returns: null
hydra:
  mode: MULTIRUN
  sweep:
    dir: sweep
  sweeper:
    study_name: toy
    direction: maximize
    n_trials: 6
    sampler:
      seed: 7
    params:
      x: interval(0,1)
"""


class Command(subprocess.Popen[str]):
    """A running command; killed if the test fails before the command ends."""

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is not None and self.poll() is None:
            self.kill()
            sys.stderr.write(f"the command had printed:\n{self.communicate()[0]}")
        super().__exit__(kind, error, traceback)


@dataclass
class Toy:
    """The application in its folder."""

    folder: Path
    environment: dict[str, str] = field(default_factory=lambda: {**os.environ, "OMP_NUM_THREADS": "1"})

    def command(self, *overrides: str) -> list[str]:
        return [sys.executable, "application.py", *overrides]

    def start(self, *overrides: str) -> Command:
        return Command(
            self.command(*overrides),
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *overrides: str) -> tuple[int, str]:
        with self.start(*overrides) as process:
            output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def study(self, name: str = "toy", sweep: str = "sweep") -> optuna.Study:
        from hydra_async_sweeper.study.storage import open_storage

        return optuna.load_study(study_name=name, storage=open_storage(None, self.folder / sweep))

    def states(self) -> list[str]:
        return [trial.state.name for trial in self.study().trials]

    def ran(self) -> list[list[str]]:
        return [line.split() for line in (self.folder / "ran.txt").read_text().splitlines()]


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "application.py").write_text(APPLICATION)
    (tmp_path / "conf" / "config.yaml").write_text(CONFIG)
    (tmp_path / "conf" / "model" / "small.yaml").write_text("width: 1\n")
    (tmp_path / "conf" / "model" / "large.yaml").write_text("width: 2\n")
    return Toy(tmp_path)


@pytest.fixture
def changed(toy: Toy) -> Callable[[Mapping[str, str]], None]:
    """Replace texts in the application's config."""

    def replace(texts: Mapping[str, str]) -> None:
        path = toy.folder / "conf" / "config.yaml"
        content = path.read_text()
        for before, after in texts.items():
            assert before in content
            content = content.replace(before, after)
        path.write_text(content)

    return replace
