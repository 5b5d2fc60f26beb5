"""Recall and precision of each class of a split, as rows of a table and as metrics."""

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from densenet_sweep.run import label_table, operating_point
from densenet_sweep.training.evaluation import Evaluation

# A trial's annotation: the rows of its last epoch's classes, or of a final run's on the test set.
CLASSES = "classes"

# With more classes there are no such metrics and rows: each metric is a column and a chart in MLflow.
MOST = 30

# What MLflow takes in the name of a metric; a slash would make a further group.
_NO_NAME = re.compile(r"[^\w. -]|^\.+$", re.ASCII)

# It takes 250 characters, the metric's own included.
_LONGEST = 200

# Of several labels a picture also their AUROC, of two classes the sensitivity of the second at the specificity.
_METRICS = ("recall", "precision", "auroc", "sensitivity")

Row = Mapping[str, str | float]


def rows(evaluation: Evaluation, class_names: Sequence[str], thresholds: Sequence[float] | None = None) -> list[Row]:
    """Return a row for each class: its name as "class", "num_images", "recall" and "precision" where the split gives them.

    Of several labels a picture, they are those of `label_table`, at `thresholds`, or by default at the split's own best ones.
    """
    if evaluation.confusion_KK is None:
        table = label_table.rows(evaluation, class_names, thresholds or label_table.best_thresholds(evaluation))
        return [{"class": row["label"], **{key: it for key, it in row.items() if key != "label"}} for row in table]
    totals_K, predicted_K = evaluation.confusion_KK.sum(dim=1).tolist(), evaluation.confusion_KK.sum(dim=0).tolist()
    found: list[Row] = []
    for name, total, predicted, right in zip(
        class_names, totals_K, predicted_K, evaluation.confusion_KK.diagonal().tolist(), strict=False
    ):
        shares = {"recall": total, "precision": predicted}
        found.append({"class": name, "num_images": total, **{key: right / whole for key, whole in shares.items() if whole}})
    return found


def with_operating_point(table: Sequence[Row], evaluation: Evaluation, thresholds: Sequence[float] | None) -> list[Row]:
    """Return the rows; of two classes, the second has its threshold, and what it gives there."""
    point = None if thresholds is None else operating_point.at(thresholds[-1], evaluation)
    return list(table) if point is None else [table[0], {**table[1], **asdict(point)}]


def metrics(split: str, table: Sequence[Row]) -> dict[str, float]:
    """Return them under names such as `valid_recall/cats`, which MLflow groups; empty for more than `MOST` classes.

    What MLflow does not take in a name becomes an underscore, and a long name is cut; of two classes of one name then, the
    first is recorded.
    """
    found: dict[str, float] = {}
    for row in table if len(table) <= MOST else ():
        name = _NO_NAME.sub("_", str(row["class"]))[:_LONGEST]
        for key in _METRICS:
            if key in row:
                found.setdefault(f"{split}_{key}/{name}", float(row[key]))
    return found


def means(tables: Sequence[Sequence[Row]]) -> list[Row]:
    """Return one table of those of the folds: numbers of images add up, and a share is the mean over the folds that give it.

    Each fold has chosen its own thresholds, so there is none.
    """
    found: list[Row] = []
    for rows_of_class in zip(*tables, strict=True):
        keys = dict.fromkeys(key for row in rows_of_class for key in row if key not in ("class", "num_images", "threshold"))
        shares = {key: statistics.fmean(float(row[key]) for row in rows_of_class if key in row) for key in keys}
        total = sum(int(row["num_images"]) for row in rows_of_class)
        found.append({"class": rows_of_class[0]["class"], "num_images": total, **shares})
    return found
