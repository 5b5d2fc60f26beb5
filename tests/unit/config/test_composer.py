import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from hydra_async_sweeper.workers.composer import Composer
from omegaconf import OmegaConf

from densenet_sweep.config import composition

FIXED = ["sweep=growth_depth_lr", "epochs=3"]


@pytest.fixture
def loaded():
    """Hydra's config loader on our own config, and the config of a sweep."""
    composition.register()
    with initialize_config_dir(str(composition.config_folder()), **composition.VERSION_BASE):
        loader = GlobalHydra.instance().config_loader()
        yield loader, loader.load_configuration(composition.CONFIG_NAME, overrides=FIXED, run_mode=RunMode.MULTIRUN)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["optimizer.lr=0.2", "architecture.depth=28"],
        ["optimizer=adamw", "optimizer.lr=0.1", "schedule=step"],  # options, whose files are other ones
        ["optimizer.lr=0.1", "optimizer=adamw"],
        ["+hydra.job.env_set.A=3", "optimizer.lr=0.3"],
        ["architecture.block_config=[2,2]", "architecture.depth=null"],
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
