"""The config of each trial, composed as Hydra composes it, but reading each combination of options once.

Hydra reads and merges all config files for every job, which can cost more than a step of a small trial. The files that it
reads depend only on the chosen group options; single values are set afterwards. So a worker caches the config of each
combination of options, and sets the values of a trial in a copy. This also keeps a sweep from changing under way: edits to
config files do not reach a running worker.
"""

import pickle
from collections.abc import Sequence

import cloudpickle
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, open_dict, read_write

from hydra_async_sweeper.best_config import is_group
from hydra_async_sweeper.hydra_private import apply_values, set_override_dirname


class Composer:
    """Composes the configs of one sweep's trials."""

    def __init__(
        self, config_loader: ConfigLoader, master: DictConfig, fixed: Sequence[str], base: DictConfig | None = None
    ) -> None:
        """Keep what all trials have in common.

        Args:
            config_loader: Hydra's.
            master: Hydra's config of the sweep.
            fixed: the overrides that every trial has.
            base: what these compose by themselves, if it is known.
        """
        self._config_loader = config_loader
        self._master = master
        self._fixed = tuple(fixed)
        self._parser = OverridesParser.create()
        self._fixed_overrides = [it for it in self._parser.parse_overrides(list(fixed)) if not it.is_hydra_override()]
        self._composed: dict[tuple[str, ...], bytes] = {} if base is None else {(): self._kept(base)}
        self._is_group: dict[str, bool] = {}

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return what `ConfigLoader.load_sweep_config` returns, in the command's folder, for the fixed overrides and these.

        Raises:
            Exception: Hydra's and OmegaConf's, for an override that does not fit.
        """
        parsed = self._parser.parse_overrides(list(overrides))
        options = tuple(str(override.input_line) for override in parsed if self._chooses_an_option(override))
        if options not in self._composed:
            composed = self._config_loader.load_sweep_config(self._master, [*self._fixed, *options])
            self._composed[options] = self._kept(composed)
        config: DictConfig = pickle.loads(self._composed[options])
        apply_values([it for it in parsed if not self._chooses_an_option(it)], config)
        self._log_typed(config, parsed)
        return config

    def _kept(self, composed: DictConfig) -> bytes:
        composed.hydra.runtime.cwd = self._master.hydra.runtime.cwd  # a worker may be in a folder of its own (job.chdir)
        return bytes(cloudpickle.dumps(composed))

    def _chooses_an_option(self, override: Override) -> bool:
        key = override.key_or_group
        if key not in self._is_group:
            self._is_group[key] = is_group(self._config_loader, key)
        return self._is_group[key]

    def _log_typed(self, config: DictConfig, searched: Sequence[Override]) -> None:
        """Fill in Hydra's own record of the overrides, in the order in which they were given."""
        task = [*self._fixed_overrides, *(override for override in searched if not override.is_hydra_override())]
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.overrides.task = [override.input_line for override in task]
            for override in searched:
                if override.is_hydra_override():
                    config.hydra.overrides.hydra.append(override.input_line)
            set_override_dirname(config, task)
