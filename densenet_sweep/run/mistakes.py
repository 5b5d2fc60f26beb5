"""The images of a split with the highest loss, as one picture with heat maps and as a table.

Shape suffixes: N images of a split, B of these, C channels, H height, W width.
"""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from hydra_async_sweeper.readable import first_line
from torch import Tensor, nn
from torch.nn import functional

from densenet_sweep.architectures.grad_cam import grad_cam
from densenet_sweep.data.images import Images, Source
from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.drawing.heat import Cell, draw_sheet
from densenet_sweep.run.artifacts import MISTAKES
from densenet_sweep.training.evaluation import Evaluation

log = logging.getLogger("densenet_sweep")


def keep(
    folder: Path,
    count: int,
    network: nn.Module,
    images: Images,
    evaluation: Evaluation,
    preprocessing: Preprocessing,
    source: Source,
    *,
    split: str,
) -> None:
    """Write `mistakes.png` and `mistakes.csv`: the `count` images with the highest loss, the highest first.

    A heat map (Grad-CAM) shows what spoke for the predicted class. A disk that is full costs a warning.

    Args:
        folder: to write into.
        count: of images; with 0 nothing is written.
        network: that was evaluated.
        images: of the split.
        evaluation: of the same.
        preprocessing: of the network.
        source: of the images.
        split: its name, for the picture's title.
    """
    if count == 0 or evaluation.labels_N.ndim != 1 or not evaluation.logits_NK.isfinite().all():
        return
    losses_N = functional.cross_entropy(evaluation.logits_NK.double(), evaluation.labels_N, reduction="none")
    losses_B, rows_B = losses_N.topk(min(count, len(losses_N)))
    chosen = images.select(rows_B.to(images.labels_N.device))
    device = preprocessing.mean_C.device
    probabilities_BK = evaluation.logits_NK[rows_B].double().softmax(dim=1)
    predicted_B = probabilities_BK.argmax(dim=1)
    levels_BCHW = preprocessing.resize(chosen.images_NCHW.to(device))
    heat_BHW = _heat(network, preprocessing.normalize(levels_BCHW), predicted_B.to(device))
    names = _names(chosen, source)
    class_names = [*source.class_names, *(f"class {it}" for it in range(len(source.class_names), probabilities_BK.shape[1]))]
    cells, rows = [], []
    for place, levels_CHW in enumerate(levels_BCHW.to("cpu", torch.uint8).numpy()):
        label, predicted = int(evaluation.labels_N[rows_B[place]]), int(predicted_B[place])
        share, own = float(probabilities_BK[place, predicted]), float(probabilities_BK[place, label])
        heat_HW = None if heat_BHW is None else heat_BHW[place].numpy()
        said = [f"is {class_names[label]} ({own:.2f})", f"predicted {class_names[predicted]} ({share:.2f})", names[place]]
        cells.append(Cell(levels_CHW, heat_HW, tuple(said)))
        rows.append([names[place], class_names[label], class_names[predicted], share, own, float(losses_B[place])])
    try:
        draw_sheet(folder / MISTAKES, cells, title=f"{split}: the highest losses")
        _write_table(folder / "mistakes.csv", rows)
    except OSError as error:
        log.warning("%s: not written (%s)", folder / MISTAKES, error.strerror or error)


def _heat(network: nn.Module, floats_BCHW: Tensor, classes_B: Tensor) -> Tensor | None:
    """Return heat_BHW on the CPU; None for a network that gives none, and a line on why."""
    try:
        return grad_cam(network, floats_BCHW, classes_B).cpu()
    except (ValueError, RuntimeError) as error:  # whatever a network of the user's own does, the training has ended well
        log.warning("the pictures with the highest loss have no heat maps (%s)", first_line(error))
        return None


def _names(images: Images, source: Source) -> list[str]:
    """Return the images' files, where they have some and their rows are known."""
    read = images.as_read
    if source.found is None or read.pixels_MCHW is not source.train.as_read.pixels_MCHW or read.rows_N is None:
        return [""] * len(images)
    return [source.found.names[row] for row in read.rows_N.tolist()]


def _write_table(path: Path, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "predicted", "probability", "probability_of_label", "loss"])
        table.writerows(rows)
