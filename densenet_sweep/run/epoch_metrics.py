"""Metrics and the log line of one epoch."""

from collections.abc import Mapping, Sequence

from densenet_sweep.config.metrics import direction_of
from densenet_sweep.training.fit import Epoch


def metrics_of(epoch: Epoch) -> dict[str, float]:
    """Return the numbers of `epoch` under the names that MLflow shows; by default it compares runs by the first."""
    names = ("train_loss", "train_accuracy", "lr", "images_per_second", "peak_memory_bytes")
    metrics: dict[str, float] = {}
    if epoch.validation is not None:
        metrics |= {"valid_accuracy": epoch.validation.accuracy, "valid_loss": epoch.validation.loss}
    measured = {name: getattr(epoch, name) for name in names}
    return {**metrics, **{name: value for name, value in measured.items() if value is not None}, "epoch_seconds": epoch.seconds}


def is_best(metrics: Mapping[str, float], history: Sequence[Mapping[str, float]], objective: str) -> bool:
    """Return whether `metrics` are the best so far by the objective."""
    sign = 1 if direction_of(objective) == "maximize" else -1
    return all(sign * metrics[objective] > sign * past[objective] for past in history)


def line_of(epoch: Epoch, epochs: int) -> str:
    """Return the log line of one of `epochs` epochs."""
    validation = epoch.validation
    valid = "" if validation is None else f"valid loss {validation.loss:.4f} accuracy {validation.accuracy:.4f}  "
    return (
        f"epoch {epoch.index + 1}/{epochs}  "
        f"train loss {epoch.train_loss:.4f} accuracy {epoch.train_accuracy:.4f}  "
        f"{valid}"
        f"lr {epoch.lr:.4g}  {epoch.images_per_second:,.0f} images/s  {epoch.seconds:.1f} s"
    )
