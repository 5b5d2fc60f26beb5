"""`hydra/sweeper: densenet_sweep`, the earlier name of the engine's sweeper, which keeps working until version 0.3."""

from hydra.core.config_store import ConfigStore


def register() -> None:
    """Store the sweeper's options under the earlier name, too; again, it does nothing."""
    from hydra_plugins.hydra_async_sweeper.sweeper import sweeper_config

    store = ConfigStore.instance()
    if "densenet_sweep.yaml" not in store.repo.get("hydra", {}).get("sweeper", {}):
        store.store(group="hydra/sweeper", name="densenet_sweep", node=sweeper_config(), provider="densenet_sweep")
