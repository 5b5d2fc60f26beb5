"""What `hydra/sweeper=async_optuna` is for our config, in a sweep file or without one."""

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

# In what the trials of a continued study may differ, as it changes none of their results.
_IGNORED = (
    *("tracking", "storage", "trusted_targets", "reference", "device", "num_threads"),
    *("data.root", "data.table", "data.download", "data.on_device"),
)

_OURS = {
    "direction": "${direction_of:${objective}}",
    "storage": "${storage.url}",
    "trusted_targets": "${trusted_targets}",
    "ignore_changes": list(_IGNORED),
}


def register() -> None:
    """Store the engine's options with our values; again, it changes nothing."""
    Plugins.instance()  # its search for plugins stores the engine's own values
    from hydra_plugins.hydra_async_sweeper.sweeper import sweeper_config

    node = OmegaConf.merge(sweeper_config(), _OURS)
    ConfigStore.instance().store(group="hydra/sweeper", name="async_optuna", node=node, provider="densenet_sweep")
