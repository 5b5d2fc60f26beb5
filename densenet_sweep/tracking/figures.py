"""The validation of a run as tables and a picture.

Shape suffix: K classes; confusion_KK counts images by true (row) and predicted class (column).
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# Above this many classes numbers and names would overlap.
_LABELLED_CLASSES = 20


def write_evaluation(folder: Path, confusion_KK: np.ndarray, class_names: Sequence[str]) -> None:
    """Write `confusion.csv`, `confusion.png` and `class_accuracy.csv` into `folder`.

    Raises:
        OSError: the folder cannot be written.
    """
    with (folder / "confusion.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["true \\ predicted", *class_names])
        table.writerows([name, *row] for name, row in zip(class_names, confusion_KK.tolist(), strict=False))
    with (folder / "class_accuracy.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["class", "num_images", "accuracy"])
        for name, row, correct in zip(class_names, confusion_KK, confusion_KK.diagonal(), strict=False):
            num_images = int(row.sum())
            table.writerow([name, num_images, f"{correct / num_images:.4f}" if num_images else ""])
    draw_confusion(folder / "confusion.png", confusion_KK, class_names)


def draw_confusion(path: Path, confusion_KK: np.ndarray, class_names: Sequence[str]) -> None:
    """Draw where the images of each class went, as shares of the class, in a colour-blind-safe map."""
    # The object interface: pyplot would keep every figure of a long-lived worker alive.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    confusion_KK = confusion_KK[: len(class_names), : len(class_names)]
    totals = confusion_KK.sum(axis=1, keepdims=True)
    shares_KK = confusion_KK / np.maximum(totals, 1)
    num_classes = len(class_names)
    is_labelled = num_classes <= _LABELLED_CLASSES
    side = 2.5 + 0.55 * num_classes if is_labelled else 9.0
    figure = Figure(figsize=(side + 1, side), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(shares_KK, cmap="cividis", vmin=0.0, vmax=1.0)
    figure.colorbar(image, ax=axes, label="share of the true class", fraction=0.046)
    accuracy = confusion_KK.trace() / max(confusion_KK.sum(), 1)
    axes.set_title(f"Validation: {accuracy:.2%} of {int(confusion_KK.sum()):,} images right")
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    if is_labelled:
        axes.set_xticks(range(num_classes), class_names, rotation=45, ha="right")
        axes.set_yticks(range(num_classes), class_names)
        for row in range(num_classes):
            for column in range(num_classes):
                share = shares_KK[row, column]
                if share >= 0.005:
                    colour = "black" if share > 0.5 else "white"
                    axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=colour, fontsize=8)
    figure.savefig(path)
