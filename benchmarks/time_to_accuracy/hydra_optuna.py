"""hydra-optuna-sweeper with the joblib launcher: `python hydra_optuna.py -m careful=true`."""

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from plain_loop import train
from printed import print_epoch


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config: DictConfig) -> float:
    """Train one trial and return its last validation accuracy."""
    number = HydraConfig.get().job.num
    searched = {"growth_rate": config.growth_rate, "depth": config.depth, "lr": config.lr}
    epochs = train(**searched, epochs=config.epochs, seed=config.seed, careful=config.careful)
    for epoch, accuracy in enumerate(epochs, start=1):
        print_epoch(number, epoch, config.epochs, accuracy, **searched)
    return accuracy


if __name__ == "__main__":
    main()
