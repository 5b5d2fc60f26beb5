"""The learning curves of one run as a picture: loss and accuracy after each epoch, of training and of validation."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from densenet_sweep.drawing import png, theme
from densenet_sweep.drawing.scene import Axis, Line, Mark, Panel, Picture, Points

_KINDS = (("train", "training", theme.SKY), ("valid", "validation", theme.BLUE))
# A loss that falls by more than this is read on a log scale.
_LOG_RATIO = 20.0
# Up to this many epochs, each one has a dot.
_MOST_DOTS = 30


def write_curves(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write `learning_curves.png` into `folder`; nothing for a single epoch.

    Args:
        folder: that exists.
        history: `epoch`, counted from 1, and its metrics under their names in MLflow; those of validation may be missing.

    Raises:
        OSError: the folder cannot be written.
    """
    if len(history) > 1:
        (folder / "learning_curves.png").write_bytes(png.draw(picture(history)))


def picture(history: Sequence[Mapping[str, float]]) -> Picture:
    """Return the picture; the best validation accuracy is marked."""
    has_validation = "valid_accuracy" in history[-1]
    metric, words = ("valid_accuracy", "validation") if has_validation else ("train_accuracy", "training")
    best = max(history, key=lambda metrics: metrics[metric])
    mark = Points([best["epoch"]], [best[metric]], theme.GREEN, f"best {words} accuracy", "diamond", size=7, opacity=1.0)
    last = history[-1]
    title = f"{words.capitalize()} accuracy {last[metric]:.4f} after epoch {last['epoch']:.0f}"
    note = "" if best is last else f"The best was {best[metric]:.4f}, after epoch {best['epoch']:.0f}."
    losses = [metrics[f"{kind}_loss"] for metrics in history for kind, _, _ in _KINDS if f"{kind}_loss" in metrics]
    is_log = min(losses) > 0 and max(losses) / min(losses) > _LOG_RATIO
    epochs = Axis("epoch", limits=(history[0]["epoch"] - 0.2, last["epoch"] + 0.2), is_whole=True)
    loss = Panel(epochs, Axis("loss (nats per image)", is_log=is_log), tuple(_lines(history, "loss")))
    accuracy = Panel(epochs, Axis("accuracy"), (*_lines(history, "accuracy"), mark))
    return Picture("learning_curves", title, note, (accuracy, loss))


def _lines(history: Sequence[Mapping[str, float]], what: str) -> list[Mark]:
    marks: list[Mark] = []
    for kind, words, colour in _KINDS:
        known = [(metrics["epoch"], metrics[f"{kind}_{what}"]) for metrics in history if f"{kind}_{what}" in metrics]
        if not known:
            continue
        x, y = [epoch for epoch, _ in known], [value for _, value in known]
        marks.append(Line(x, y, colour, words))
        if len(known) <= _MOST_DOTS:
            marks.append(Points(x, y, colour, size=4.5, opacity=1.0))
    return marks
