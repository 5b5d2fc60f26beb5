"""The evaluation of a run as tables and a picture.

Shape suffix: K classes; confusion_KK counts images by true (row) and predicted class (column).
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from densenet_sweep.counts import counted
from densenet_sweep.drawing import theme
from densenet_sweep.drawing.png import shortened

# From this many classes on numbers and names would overlap: the most confused pairs stand beside the matrix instead.
_UNLABELLED_CLASSES = 20
_MOST_PAIRS = 20
_PAIRS_WIDTH = 4.6
_PAIR_LETTERS = 18
# Inches: sides of the matrix, and the width of a letter of a name.
_SMALLEST_SIDE = 3.2
_UNLABELLED_SIDE = 7.0
_LETTER = 0.085


def write_evaluation(folder: Path, confusion_KK: np.ndarray, class_names: Sequence[str], *, split: str = "Validation") -> None:
    """Write `confusion.csv`, `confusion.png` and `class_accuracy.csv` of a `split` into `folder`.

    A network may have more outputs than there are classes; images assigned to those count as wrong and have no column.

    Raises:
        OSError: the folder cannot be written.
    """
    with (folder / "confusion.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["true \\ predicted", *class_names])
        named_KK = confusion_KK[: len(class_names), : len(class_names)]
        table.writerows([name, *row] for name, row in zip(class_names, named_KK.tolist(), strict=True))
    with (folder / "class_accuracy.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["class", "num_images", "accuracy", "recall", "precision"])
        predicted_K = confusion_KK.sum(axis=0)
        for name, row, correct, num_predicted in zip(
            class_names, confusion_KK, confusion_KK.diagonal(), predicted_K, strict=False
        ):
            num_images = int(row.sum())
            recall = f"{correct / num_images:.4f}" if num_images else ""
            precision = f"{correct / num_predicted:.4f}" if num_predicted else ""
            table.writerow([name, num_images, recall, recall, precision])  # an earlier version called the recall accuracy
    draw_confusion(folder / "confusion.png", confusion_KK, class_names, split=split)


def draw_confusion(path: Path, confusion_KK: np.ndarray, class_names: Sequence[str], *, split: str = "Validation") -> None:
    """Draw where the images of each class went, as shares of the class, in shades of one colour."""
    # The object interface: pyplot would keep every figure of a long-lived worker alive.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    num_classes = len(class_names)
    totals = confusion_KK.sum(axis=1, keepdims=True)
    shares_KK = (confusion_KK / np.maximum(totals, 1))[:num_classes, :num_classes]
    is_labelled = num_classes < _UNLABELLED_CLASSES
    side = max(_SMALLEST_SIDE, 0.55 * num_classes) if is_labelled else _UNLABELLED_SIDE
    # Laid out by hand, in inches: to measure what is drawn, Matplotlib draws it twice.
    longest = _LETTER * max(map(len, class_names), default=0) if is_labelled else 0.3
    left, bottom, right, top = 0.5 + longest, 0.55 + 0.71 * longest, 0.2 if is_labelled else 1.15 + _PAIRS_WIDTH, 0.5
    width, height = left + side + right, bottom + side + top
    figure = Figure(figsize=(width, height), dpi=theme.DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
    # The errors matter most and are small: a square-root scale makes one of 1 % visible.
    image = axes.imshow(shares_KK, cmap="Blues", norm=PowerNorm(0.5, vmin=0.0, vmax=1.0))
    accuracy = confusion_KK.trace() / max(confusion_KK.sum(), 1)
    title = f"{split}: {accuracy:.2%} of {counted(int(confusion_KK.sum()), 'image')} right"
    figure.text(0.15 / width, 1 - 0.15 / height, title, va="top", fontsize=13, weight="bold", color=theme.TEXT)
    figure.text((left + side / 2) / width, 0.15 / height, "predicted class", ha="center", color=theme.TEXT)
    rows = "true class (each row is 100 %)" if is_labelled else "true class"
    figure.text(0.15 / width, (bottom + side / 2) / height, rows, va="center", rotation=90, color=theme.TEXT)
    axes.tick_params(labelcolor=theme.TEXT, color=theme.NOTE)
    if is_labelled:
        axes.set_xticks(range(num_classes), class_names, rotation=45, ha="right", parse_math=False)
        axes.set_yticks(range(num_classes), class_names, parse_math=False)
        for row in range(num_classes):
            for column in range(num_classes):
                share = shares_KK[row, column]
                if round(100 * share) >= 1:
                    colour = "white" if share > 0.4 else "black"
                    axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=colour, fontsize=8)
    else:
        bar = figure.add_axes(((left + side + 0.15) / width, bottom / height, 0.2 / width, side / height))
        figure.colorbar(image, cax=bar, label="share of the true class", format=PercentFormatter(1.0))
        _write_pairs(
            figure, confused_pairs(confusion_KK, class_names), ((left + side + 1.25) / width, (bottom + side) / height)
        )
    figure.savefig(path)


def confused_pairs(confusion_KK: np.ndarray, class_names: Sequence[str]) -> list[tuple[str, str, int, float]]:
    """Return the most frequent errors: true class, predicted class, images, and their share of the true class."""
    number = len(class_names)
    errors_KK = confusion_KK[:number, :number] - np.diag(confusion_KK.diagonal()[:number])
    totals_K = np.maximum(confusion_KK.sum(axis=1), 1)
    order = np.argsort(-errors_KK, axis=None, kind="stable")[:_MOST_PAIRS]
    found = [(int(index) // number, int(index) % number) for index in order]
    return [
        (class_names[row], class_names[column], int(errors_KK[row, column]), float(errors_KK[row, column] / totals_K[row]))
        for row, column in found
        if errors_KK[row, column]
    ]


def _write_pairs(figure: Any, pairs: Sequence[tuple[str, str, int, float]], corner: tuple[float, float]) -> None:
    x, y = corner
    inch = 1 / figure.get_figheight()
    figure.text(x, y, "most confused: true class, taken for", va="top", fontsize=11, weight="bold", color=theme.TEXT)
    for index, (true, predicted, count, share) in enumerate(pairs):
        line = f"{count:,}  {shortened(true, _PAIR_LETTERS)}, {shortened(predicted, _PAIR_LETTERS)} ({share:.0%})"
        place = y - (0.32 + 0.3 * index) * inch
        figure.text(x, place, line, va="top", fontsize=9, color=theme.TEXT, parse_math=False)
