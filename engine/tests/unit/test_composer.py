from collections.abc import Mapping
from pathlib import Path

import hydra
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from hydra_async_sweeper.workers.composer import Composer
from omegaconf import OmegaConf

VERSION_BASE = {"version_base": "1.3"} if hydra.__version__.startswith("1.3.") else {}  # 1.4 deprecates it

FIXED = ["sweep=mine", "epochs=3"]

FILES: Mapping[str, str] = {
    "config.yaml": """
defaults:
  - model: small
  - optimizer: sgd
  - schedule: cosine
  - optional sweep: null
  - _self_
epochs: 10
name: ${model.depth}-${optimizer.lr}
""",
    "model/small.yaml": "depth: 10\nblocks: null\n",
    "optimizer/sgd.yaml": "lr: 0.1\nmomentum: 0.9\n",
    "optimizer/adamw.yaml": "lr: 0.001\nbetas: [0.9, 0.999]\n",
    "schedule/cosine.yaml": "floor: 0.0\n",
    "schedule/step.yaml": "milestones: [0.5, 0.75]\nfactor: ${optimizer.lr}\n",
    "sweep/mine.yaml": """# @package _global_
defaults:
  - override /hydra/sweeper: async_optuna
epochs: 5
optimizer: {lr: 0.2}
""",
}


@pytest.fixture
def loaded(tmp_path: Path):
    """Hydra's config loader on an application with groups, and the config of its sweep."""
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    with initialize_config_dir(str(tmp_path), **VERSION_BASE):
        loader = GlobalHydra.instance().config_loader()
        yield loader, loader.load_configuration("config", overrides=FIXED, run_mode=RunMode.MULTIRUN)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["optimizer.lr=0.2", "model.depth=28"],
        ["optimizer=adamw", "optimizer.lr=0.1", "schedule=step"],  # options, whose files are other ones
        ["optimizer.lr=0.1", "optimizer=adamw"],
        ["+hydra.job.env_set.A=3", "optimizer.lr=0.3"],
        ["model.blocks=[2,2]", "model.depth=null"],
        ["schedule.milestones=[0.5]", "schedule=step"],
    ],
)
def test_it_composes_what_hydra_composes(loaded, overrides):
    loader, master = loaded
    composer = Composer(loader, master, FIXED)
    expected = OmegaConf.to_yaml(loader.load_sweep_config(master, [*FIXED, *overrides]))
    assert OmegaConf.to_yaml(composer.compose(overrides)) == expected
    assert OmegaConf.to_yaml(composer.compose(overrides)) == expected  # from memory


def test_a_trial_cannot_change_the_next_ones_config(loaded):
    composer = Composer(*loaded, FIXED)
    first = composer.compose(["optimizer.lr=0.2"])
    first.epochs = 99
    assert composer.compose(["optimizer.lr=0.2"]).epochs == 3


def test_a_key_that_does_not_exist_is_refused_as_by_hydra(loaded):
    with pytest.raises(Exception, match="modle"):
        Composer(*loaded, FIXED).compose(["modle.width=3"])
