"""A toy Hydra application, independent of this package, swept by our engine in a process of its own."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
import optuna
import pytest
from forking import Forked, Forks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

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
    if config.x > config.get("hang_above", float("inf")):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])  # as a call that does not return to Python
        time.sleep(600)
    if config.returns is not None:
        return {"nothing": float("nan"), "text": "hello", "pair": (1.0, 2.0), "oom": None}[config.returns]
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
        part = state.with_suffix(".part")
        part.write_text(json.dumps(step))
        part.replace(state)  # whole, even if it is killed now
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


@dataclass
class Toy:
    """The application in its folder."""

    folder: Path
    forks: Forks
    script: str = "application.py"
    environment: dict[str, str] = field(default_factory=lambda: {**os.environ, "OMP_NUM_THREADS": "1"})

    def start(self, *overrides: str) -> Forked:
        return self.forks.start(self.script, *overrides, folder=self.folder, environment=self.environment)

    def run(self, *overrides: str) -> tuple[int, str]:
        return self.forks.run(self.script, *overrides, folder=self.folder, environment=self.environment)

    def study(self, name: str = "toy", sweep: str = "sweep") -> optuna.Study:
        from hydra_async_sweeper.study.storage import open_storage

        return optuna.load_study(study_name=name, storage=open_storage(None, self.folder / sweep))

    def states(self) -> list[str]:
        return [trial.state.name for trial in self.study().trials]

    def ran(self) -> list[list[str]]:
        return [line.split() for line in (self.folder / "ran.txt").read_text().splitlines()]


@dataclass
class Application:
    """A Hydra application whose task is a function of the test; it runs in this process, with the basic launcher."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    version_base: str = "1.3"

    def write(self, path: str, text: str) -> None:
        """Write a file of its `conf` folder."""
        file = self.folder / "conf" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, task: Callable[[Any], Any], *overrides: str) -> None:
        """Type `python src/app.py` with these overrides.

        Raises:
            Exception: what Hydra would print.
        """
        GlobalHydra.instance().clear()
        script = self.folder / "src" / "app.py"
        self.monkeypatch.setattr(sys, "argv", ["src/app.py", *overrides])
        self.monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        self.monkeypatch.chdir(self.folder)
        conf = str(self.folder / "conf")

        def main(config: Any) -> Any:
            return task(config)

        main.__module__ = "app"
        hydra.main(version_base=self.version_base, config_path=conf, config_name="config")(main)()
        assert Path.cwd() == script.parent.parent

    def study(self, sweep: str = "sweep") -> optuna.Study:
        """Return the study in the folder of a sweep."""
        from hydra_async_sweeper.study import study_file

        return study_file.read(self.folder / sweep).load()


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Application:
    """An application with a group `model` and two numbers, whose sweeps are in `sweep`."""
    application = Application(tmp_path, monkeypatch)
    application.write(
        "config.yaml",
        """
defaults:
  - model: small
  - _self_
  - override hydra/sweeper: async_optuna
  - override hydra/sweeper/sampler: random
  - override hydra/job_logging: none
x: 1.0
y: 0
twice: ${x}${x}
hydra:
  mode: MULTIRUN
  sweep: {dir: sweep}
  sweeper: {n_trials: 3}
""",
    )
    application.write("model/small.yaml", "width: 1\n")
    application.write("model/large.yaml", "width: 2\ndepth: 3\n")
    return application


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    forks = Forks(["hydra", "optuna", "sqlalchemy", "cloudpickle", "hydra_async_sweeper.sweeper"], os.environ)
    yield forks
    forks.close()


@pytest.fixture
def toy(tmp_path: Path, forks: Forks) -> Toy:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "application.py").write_text(APPLICATION)
    (tmp_path / "conf" / "config.yaml").write_text(CONFIG)
    (tmp_path / "conf" / "model" / "small.yaml").write_text("width: 1\n")
    (tmp_path / "conf" / "model" / "large.yaml").write_text("width: 2\n")
    return Toy(tmp_path, forks)


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


class Task:
    """Returns `x`, and keeps the configs that it was called with."""

    def __init__(self) -> None:
        self.configs: list = []
        self.folders: list[Path] = []

    def __call__(self, config):
        self.configs.append(OmegaConf.to_container(config, resolve=False))
        self.folders.append(Path(HydraConfig.get().runtime.output_dir))
        return config.x


@pytest.fixture
def task() -> Task:
    return Task()
