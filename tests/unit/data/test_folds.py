import numpy as np
import pytest

from densenet_sweep.data.folds import fold_rows

NAMES = ("benign", "malignant")


def cut(labels, num_folds, **how):
    return fold_rows(np.asarray(labels), num_folds=num_folds, **{"seed": 0, "class_names": NAMES, **how})


def test_each_image_is_in_one_fold_and_each_class_in_all():
    labels = np.array([0] * 20 + [1] * 10)
    rows = cut(labels, 5)
    assert sorted(np.concatenate(rows).tolist()) == list(range(30))
    assert [np.bincount(labels[fold]).tolist() for fold in rows] == [[4, 2]] * 5
    assert all((np.diff(fold) > 0).all() for fold in rows)


def test_folds_depend_on_the_seed_alone():
    labels = [0, 1] * 20
    first, again, other = cut(labels, 4), cut(labels, 4), cut(labels, 4, seed=1)
    assert [fold.tolist() for fold in first] == [fold.tolist() for fold in again]
    assert [fold.tolist() for fold in first] != [fold.tolist() for fold in other]


def test_a_group_is_in_one_fold():
    groups = np.repeat(np.arange(12), 5)
    labels = np.array([group % 3 == 0 for group in groups], np.int64)
    rows = cut(labels, 4, groups_N=groups)
    held = [set(groups[fold].tolist()) for fold in rows]
    assert sum(map(len, held)) == 12
    assert set.union(*held) == set(range(12))
    assert all(labels[fold].any() and not labels[fold].all() for fold in rows)


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [
        ([0] * 20 + [1] * 4, None, "data.folds=5: at most 4 is accepted, as class malignant has 4 images"),
        ([0] * 20 + [1], None, "data.folds=5: no folds are accepted, as class malignant has 1 image"),
        ([0, 1] * 20, [0, 1, 2, 3] * 10, "data.folds=5: at most 4 is accepted, as there are 4 groups"),
        (
            [0] * 30 + [1] * 10,
            [*range(30), *[30, 31] * 5],
            "data.folds=5: at most 2 is accepted, as class malignant is in 2 groups",
        ),
    ],
)
def test_too_many_folds_are_refused(labels, groups, message):
    with pytest.raises(ValueError, match=message):
        cut(labels, 5, groups_N=None if groups is None else np.asarray(groups))
