"""Before a sweep opens its study: what its trials may be is checked, so that a mistake costs one line and no trial."""

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from densenet_sweep.config.runnable import check_job


class CheckTrials(Callback):
    """Checks for the sweep engine, before it opens a study, what its trials may be; see `hydra_async_sweeper.events`."""

    def on_config_check(self, config: DictConfig) -> None:
        """Refuse a config that cannot run, as `check_job` does."""
        check_job(config.copy())
