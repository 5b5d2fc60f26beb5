"""The versions that a bug report should name, read without importing the packages."""

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
