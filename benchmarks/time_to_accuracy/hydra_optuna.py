"""hydra-optuna-sweeper with the joblib launcher: `python hydra_optuna.py -m careful=true`."""

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from plain_loop import train


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config: DictConfig) -> float:
    """Train one trial and return its last validation accuracy."""
    number = HydraConfig.get().job.num
    epochs = train(config.growth_rate, config.depth, config.lr, epochs=config.epochs, seed=config.seed, careful=config.careful)
    for epoch, accuracy in enumerate(epochs, start=1):
        print(f"trial {number} epoch {epoch}/{config.epochs} accuracy {accuracy:.4f}", flush=True)
    return accuracy


if __name__ == "__main__":
    main()
