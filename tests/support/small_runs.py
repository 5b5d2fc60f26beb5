"""Runs and sweeps that take a second, and what they leave in their folders."""

from pathlib import Path

import torch

TINY = ["data=digits", "architecture.depth=10", "architecture.growth_rate=4", "device=cpu", "precision=fp32"]
NOTHING = ["tracking=none"]
SWEEP = [
    "sweep=growth_depth_lr", "data=digits", "device=cpu", "epochs=2", "tracking.system_metrics=false",
    "architecture.depth=choice(10)", "architecture.growth_rate=choice(4,6)", "hydra.sweeper.n_trials=3",
]  # fmt: skip


def history(folder: Path) -> list[dict[str, float]]:
    """Return the epochs of the last checkpoint."""
    return torch.load(folder / "last.pt", weights_only=True)["history"]


def numbers(folder: Path) -> list[tuple[float, ...]]:
    """Return losses, accuracies and learning rate after each epoch."""
    keys = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "lr")
    return [tuple(epoch[key] for key in keys) for epoch in history(folder)]


def recorded(folder: Path) -> list:
    """Return the runs of all experiments in the folder's MLflow store."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlruns/mlflow.db")
    return list(client.search_runs([experiment.experiment_id for experiment in client.search_experiments()]))


# Names the folders of a sweep's trials, in a config without the rest of Hydra's part.
SUBDIR = {"subdir": "${hydra.job.num}"}
