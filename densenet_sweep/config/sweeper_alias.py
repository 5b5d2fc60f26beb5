"""The engine's names of 0.1, when it was `densenet_sweep.sweep`, which keep working until version 0.3."""

from hydra.core.config_store import ConfigStore
from hydra_async_sweeper.application import MOVED_TARGETS

# Pruners in configs and studies, by module.
_PRUNERS = {"promotion": ("PromotionPruner",), "pruners": ("BestSharePruner", "TopKAfterOneEpochPruner")}


def register() -> None:
    """Store the sweeper's options as `hydra/sweeper: densenet_sweep`, too, and the pruners' paths; again, it does nothing."""
    from hydra_plugins.hydra_async_sweeper.sweeper import sweeper_config

    for module, names in _PRUNERS.items():
        MOVED_TARGETS.update(
            {f"densenet_sweep.sweep.{module}.{it}": f"hydra_async_sweeper.study.{module}.{it}" for it in names}
        )
    store = ConfigStore.instance()
    if "densenet_sweep.yaml" not in store.repo.get("hydra", {}).get("sweeper", {}):
        store.store(group="hydra/sweeper", name="densenet_sweep", node=sweeper_config(), provider="densenet_sweep")
