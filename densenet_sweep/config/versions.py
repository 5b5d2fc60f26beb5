"""The versions that a report of a fault should name, read without importing what they are of."""

from importlib import metadata

_SHOWN = ("densenet-sweep", "torch", "torchvision", "hydra-core", "omegaconf", "optuna", "mlflow")


def lines() -> list[str]:
    """Return a line for each distribution: ours and those that its results depend on."""
    return [f"{name} {_version(name)}" for name in _SHOWN]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "is not installed"
