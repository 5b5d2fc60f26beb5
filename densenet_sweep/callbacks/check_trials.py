"""Checks a sweep's config before its study is opened, so that a mistake costs one line and no trial."""

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from densenet_sweep.config.runnable import check_job


class CheckTrials(Callback):
    """Checks the config of the trials before the engine opens a study; see `hydra_async_sweeper.events`."""

    def on_config_check(self, config: DictConfig) -> None:
        """Refuse a config that cannot run, as `check_job` does."""
        check_job(config.copy())
