import csv

import numpy as np
import pytest

from densenet_sweep.tracking.figures import confused_pairs, draw_confusion, write_evaluation

CONFUSION = np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]])
NAMES = ("cat", "dog, large", "owl")


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def pixels(path):
    from matplotlib.image import imread

    image = imread(path)
    assert image.ndim == 3
    return image


def test_the_tables(tmp_path):
    write_evaluation(tmp_path, CONFUSION, NAMES)
    assert rows(tmp_path / "confusion.csv") == [
        ["true \\ predicted", "cat", "dog, large", "owl"],
        ["cat", "8", "2", "0"],
        ["dog, large", "0", "5", "0"],
        ["owl", "0", "0", "0"],
    ]
    assert rows(tmp_path / "class_accuracy.csv") == [
        ["class", "num_images", "accuracy", "recall", "precision"],
        ["cat", "10", "0.8000", "0.8000", "1.0000"],
        ["dog, large", "5", "1.0000", "1.0000", "0.7143"],
        ["owl", "0", "", "", ""],
    ]


def test_the_picture_is_written_over_the_last_one(tmp_path):
    write_evaluation(tmp_path, CONFUSION, NAMES)
    first = pixels(tmp_path / "confusion.png")
    write_evaluation(tmp_path, CONFUSION.T, NAMES)
    second = pixels(tmp_path / "confusion.png")
    assert min(first.shape[:2]) > 200
    assert not np.array_equal(first, second)


def test_outputs_without_a_class_are_errors_without_a_column(tmp_path):
    wide = np.pad(CONFUSION, (0, 1))
    wide[0, 3] = 10
    write_evaluation(tmp_path, wide, NAMES)
    assert [len(row) for row in rows(tmp_path / "confusion.csv")] == [4] * 4
    assert rows(tmp_path / "class_accuracy.csv")[1] == ["cat", "20", "0.4000", "0.4000", "1.0000"]


@pytest.mark.parametrize("num_classes", [1, 2, 19, 20, 100])
def test_any_number_of_classes(tmp_path, num_classes):
    draw_confusion(tmp_path / "it.png", np.eye(num_classes, dtype=np.int64), [f"class {k}" for k in range(num_classes)])
    height, width = pixels(tmp_path / "it.png").shape[:2]
    assert 100 < height < 1600
    assert 100 < width < 1800


def test_no_images_and_names_that_look_like_formulas(tmp_path):
    draw_confusion(tmp_path / "it.png", np.zeros((2, 2), dtype=np.int64), ["$\\notacommand$", "a_b^c"])
    assert pixels(tmp_path / "it.png").size


def test_nothing_touches_the_edge_of_the_picture(tmp_path):
    names = ["a rather long name of a class", *(f"class {k}" for k in range(9))]
    draw_confusion(tmp_path / "it.png", np.eye(10, dtype=np.int64) * 100, names)
    image = pixels(tmp_path / "it.png")[..., :3]
    for edge in (image[:4], image[-4:], image[:, :4], image[:, -4:]):
        assert (edge == 1.0).all()


def test_the_most_confused_pairs_are_the_largest_errors_first():
    confusion_KK = np.array([[8, 2, 0], [0, 9, 1], [5, 0, 15]])
    assert confused_pairs(confusion_KK, ["a", "b", "c"]) == [("c", "a", 5, 0.25), ("a", "b", 2, 0.2), ("b", "c", 1, 0.1)]
