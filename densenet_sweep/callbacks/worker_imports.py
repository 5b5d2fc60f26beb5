"""What the workers of a sweep import while its study is being opened, so that their first trials start sooner."""

from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from densenet_sweep.config.tracking_uri import is_server

_PACKAGE = "densenet_sweep."


class WorkerImports(Callback):
    """Names what takes seconds to import: PyTorch and MLflow, and what reads the data."""

    def on_sweep_start(self, config: DictConfig) -> list[str]:
        """Return the names of modules; see `hydra_async_sweeper.events`."""
        modules = ["densenet_sweep.run.train"]
        data = str(OmegaConf.select(config, "data._target_"))
        if data.startswith(_PACKAGE):
            modules.append(data.rpartition(".")[0])
        tracking: Any = OmegaConf.to_container(config.tracking, resolve=True)
        if "uri" in tracking:
            modules.append("mlflow")
            if not is_server(str(tracking["uri"])):
                modules.append("mlflow.store.tracking.sqlalchemy_store")
        return modules
