"""Trains what the config composes, as the public Lightning template does: everything is instantiated from its section."""

import os
import sys
from pathlib import Path

os.environ["PROJECT_ROOT"] = str(Path(__file__).resolve().parents[1])  # what rootutils does there
sys.path.insert(0, os.environ["PROJECT_ROOT"])

import hydra
import lightning
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="../configs", config_name="train.yaml")
def main(cfg: DictConfig):
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    trainer = hydra.utils.instantiate(
        cfg.trainer,
        callbacks=[hydra.utils.instantiate(callback) for callback in cfg.callbacks.values()],
        logger=[hydra.utils.instantiate(logger) for logger in (cfg.logger or {}).values()],
    )
    trainer.fit(hydra.utils.instantiate(cfg.model), datamodule=hydra.utils.instantiate(cfg.data))
    return trainer.callback_metrics[cfg.optimized_metric]  # a tensor


if __name__ == "__main__":
    main()
