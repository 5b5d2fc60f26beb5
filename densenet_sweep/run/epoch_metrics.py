"""Metrics and the log line of one epoch."""

from collections.abc import Mapping, Sequence

from densenet_sweep.config.metrics import OF_OUTPUTS
from densenet_sweep.run import class_metrics
from densenet_sweep.training.evaluation import Evaluation
from densenet_sweep.training.fit import Epoch


def metrics_of(epoch: Epoch, reported: str = "valid_accuracy") -> dict[str, float]:
    """Return the numbers of `epoch` under the names that MLflow shows, `reported` first: by default it compares runs by that.

    Metrics of the outputs, which take longer, are those of the last epoch, and of every epoch the one called `reported`.
    """
    names = ("train_loss", "train_accuracy", "lr", "images_per_second", "peak_memory_bytes")
    metrics: dict[str, float] = {}
    if epoch.validation is not None:
        wanted = list(OF_OUTPUTS) if epoch.is_last else [reported.removeprefix("valid_")]
        metrics |= of_split("valid", epoch.validation, wanted)
    measured = {name: getattr(epoch, name) for name in names}
    metrics |= {name: value for name, value in measured.items() if value is not None} | {"epoch_seconds": epoch.seconds}
    return {reported: metrics[reported], **metrics} if reported in metrics else metrics


def of_split(split: str, evaluation: Evaluation, wanted: Sequence[str] = tuple(OF_OUTPUTS)) -> dict[str, float]:
    """Return the accuracy, the loss and the metrics `wanted` of a split, `valid` or `test`."""
    computed = {f"{split}_{name}": value for name, value in class_metrics.compute(evaluation, wanted).items()}
    return {f"{split}_accuracy": evaluation.accuracy, f"{split}_loss": evaluation.loss, **computed}


def line_of(epoch: Epoch, epochs: int, metrics: Mapping[str, float], reported: str) -> str:
    """Return the log line of one of `epochs` epochs, short enough for a time and a trial's number before it.

    "loss" is that of the training. The metric called `reported` takes the place of the accuracy where it is one of the outputs.
    """
    begin, validation = f"epoch {epoch.index + 1}/{epochs}", epoch.validation
    if validation is None:
        return f"{begin}  train loss {epoch.train_loss:.4f} accuracy {epoch.train_accuracy:.4f}"
    name = reported.removeprefix("valid_")
    shown = f"{name} {metrics[reported]:.4f}" if name in OF_OUTPUTS else f"accuracy {validation.accuracy:.4f}"
    return f"{begin}  loss {epoch.train_loss:.4f}  valid loss {validation.loss:.4f} {shown}"
