"""A user's own pictures, listed by a table, whose groups are kept together."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from densenet_sweep.data import found
from densenet_sweep.data.image_table import classes_by_value, image_table, labelled_in
from densenet_sweep.data.split import split

ARGUMENTS = {"image_size": 4, "num_channels": 1, "test_fraction": 0.25, "split_seed": 0}


def paint(folder: Path, count: int) -> list[str]:
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.new("L", (4, 4), index).save(folder / "pictures" / f"{index}.png")
    return [f"pictures/{index}.png" for index in range(count)]


def levels(images) -> list[int]:
    return images.images_NCHW[:, 0, 0, 0].tolist()


def write(rows: pd.DataFrame, path: Path) -> str:
    if path.suffix == ".parquet":
        rows.to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows.to_dict("records")))
    else:
        rows.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return str(path)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl", "DataFrame"])
def test_every_form_of_table_gives_the_same(tmp_path, suffix):
    rows = pd.DataFrame({"path": paint(tmp_path, 12), "label": [3, 10, "NA"] * 4})
    rows["label"] = rows["label"].astype(str)
    rows["split"] = ["train"] * 6 + ["Val"] * 3 + ["TESTING"] * 3
    table = rows if suffix == "DataFrame" else write(rows, tmp_path / f"table{suffix}")
    source = image_table(str(tmp_path) if suffix == "DataFrame" else "", table=table, **ARGUMENTS)
    assert source.class_names == ("10", "3", "NA")
    assert source.valid is not None
    assert (levels(source.train), levels(source.valid), levels(source.load_test())) == ([*range(6)], [6, 7, 8], [9, 10, 11])
    assert source.train.labels_N.tolist() == [1, 0, 2, 1, 0, 2]
    line = found.line(source, source.train, source.valid)
    assert line == "train 6 (10 2, 3 2, NA 2), valid 3 (10 1, 3 1, NA 1), test 3 (10 1, 3 1, NA 1)"


def test_numbers_as_labels_are_in_their_order(tmp_path):
    rows = pd.DataFrame({"path": paint(tmp_path, 24), "label": [2, 10, 0] * 8})
    assert image_table("", table=write(rows, tmp_path / "t.parquet"), **ARGUMENTS).class_names == ("0", "2", "10")
    assert image_table("", table=write(rows, tmp_path / "t.csv"), **ARGUMENTS).class_names == ("0", "2", "10")


def test_paths_are_relative_to_the_root_or_to_the_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the decoded pictures of a table without a folder are kept
    rows = pd.DataFrame({"file": paint(tmp_path / "data", 16), "kind": ["a", "b"] * 8})
    (tmp_path / "lists").mkdir()
    columns = {"path_column": "file", "label_column": "kind"}
    elsewhere, beside = write(rows, tmp_path / "lists" / "t.csv"), write(rows, tmp_path / "data" / "t.csv")
    of_root = image_table(str(tmp_path / "data"), table=elsewhere, **columns, **ARGUMENTS)
    of_table = image_table("", table=beside, **columns, **ARGUMENTS)
    other_root = image_table(str(tmp_path), table=beside, **columns, **ARGUMENTS)
    assert of_root.train.digest == of_table.train.digest == other_root.train.digest
    rows["file"] = [str(tmp_path / "data" / path) for path in rows["file"]]
    assert image_table("", table=rows, **columns, **ARGUMENTS).train.digest == of_root.train.digest


def groups_of(images, rows: pd.DataFrame) -> set[str]:
    return {rows["patient"][level] for level in levels(images)}


@pytest.mark.parametrize("seed", range(5))
def test_groups_never_cross_a_split(tmp_path, seed):
    generator = np.random.default_rng(seed)
    patients = [f"p{index}" for index in generator.integers(0, 30, 200)]
    rows = pd.DataFrame({"path": paint(tmp_path, 200), "patient": patients, "label": [int(it[1:]) % 2 for it in patients]})
    arguments = {**ARGUMENTS, "split_seed": seed}
    source = image_table("", table=write(rows, tmp_path / "t.csv"), group_column="patient", **arguments)
    train, valid = split(source.train, valid_fraction=0.2, num_train=None, seed=seed, groups_N=source.groups_N)
    test = source.load_test()
    assert not set(train.groups_N) & set(valid.groups_N)
    assert len(valid.groups_N) == len(valid)
    of_splits = [groups_of(images, rows) for images in (train, valid, test)]
    assert sum(map(len, of_splits)) == len(set.union(*of_splits)) == len(set(patients))
    assert sum(map(len, (train, valid, test))) == 200
    assert abs(len(test) / 200 - 0.25) < 0.1
    assert abs(len(valid) / (200 - len(test)) - 0.2) < 0.1
    for images in (train, valid, test):
        assert abs(images.labels_N.float().mean() - np.mean(rows["label"])) < 0.15
    smaller, same = split(source.train, valid_fraction=0.2, num_train=50, seed=seed, groups_N=source.groups_N)
    assert (len(smaller), same.digest) == (50, valid.digest)


def change(rows: pd.DataFrame, column: str, values: dict[int, str]) -> pd.DataFrame:
    for row, value in values.items():
        rows.loc[row, column] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        (lambda rows: rows, {"label_column": "kind"}, r"has no column kind; it has path, label, split, patient$"),
        (lambda rows: rows, {"group_column": "site"}, r"has no column site; it has path"),
        (lambda rows: rows, {"split_column": "fold"}, r"has no column fold"),
        (
            lambda rows: change(rows, "label", {3: ""}),
            {},
            r"1 row without label, the first of them row 4; data.multi_label=true if",
        ),
        (
            lambda rows: change(rows, "split", {3: "holdout"}),
            {},
            r"split holdout: one of train, training, val, .* is accepted$",
        ),
        (
            lambda rows: change(rows, "path", {1: "no.png", 5: "never.png"}),
            {},
            r"2 of 8 pictures not found, such as .*no\.png, ",
        ),
        (
            lambda rows: rows,
            {"group_column": "patient"},
            r"1 group of patient in more than one split, such as p3 in test and train; a group belongs to one$",
        ),
        (lambda rows: change(rows, "split", dict.fromkeys(range(8), "test")), {}, r"split names no picture for training"),
        (lambda rows: change(rows, "label", dict.fromkeys(range(8), "a")), {}, r"label has one value, a; at least 2 classes"),
        (lambda rows: rows[:0], {}, r"has no rows$"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path, rows, arguments, message):
    table = pd.DataFrame({"path": paint(tmp_path, 8), "label": ["a", "b"] * 4})
    table["split"] = ["train"] * 6 + ["test"] * 2
    table["patient"] = ["p1", "p1", "p2", "p2", "p3", "p3", "p3", "p4"]
    path = write(rows(table), tmp_path / "t.csv")
    with pytest.raises((ValueError, FileNotFoundError), match=message) as raised:
        image_table("", table=path, **arguments, **ARGUMENTS)
    assert str(raised.value).startswith(f"data.table={path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("column", ["label", "patient"])
def test_a_missing_value_of_any_kind_is_missing(tmp_path, column):
    rows = pd.DataFrame({"path": paint(tmp_path, 8), "label": [0, 1] * 4, "patient": [*range(8)]}).convert_dtypes()
    rows.loc[3, column] = pd.NA
    rows.to_parquet(tmp_path / "t.parquet")
    for table in (rows, tmp_path / "t.parquet"):
        with pytest.raises(ValueError, match=f"1 row without {column}, the first of them row 4"):
            image_table(str(tmp_path), table=table, group_column="patient", **ARGUMENTS)


def test_a_table_in_memory_is_checked_as_one_in_a_file_is(tmp_path):
    rows = pd.DataFrame({"path": paint(tmp_path, 8), "label": [0, 1] * 4})
    with pytest.raises(ValueError, match=r"^the table: has 2 columns label; one is accepted$"):
        image_table(str(tmp_path), table=pd.concat([rows, rows[["label"]]], axis="columns"), **ARGUMENTS)
    with pytest.raises(TypeError, match=r"^the table: is a list; the path of a file or a pandas DataFrame is accepted$"):
        image_table(str(tmp_path), table=[1], **ARGUMENTS)
    numbered = rows.set_axis([0, 1], axis="columns")
    assert len(image_table(str(tmp_path), table=numbered, path_column="0", label_column="1", **ARGUMENTS).train) == 6


def test_files_that_are_no_tables_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        image_table("", table=str(tmp_path / "t.csv"), **ARGUMENTS)
    for name in ("t.parquet", "t.jsonl", "t.csv"):
        (tmp_path / name).write_bytes(b"" if name.endswith("csv") else b"{no")
        with pytest.raises(ValueError, match=r"cannot be read \("):
            image_table("", table=str(tmp_path / name), **ARGUMENTS)
    (tmp_path / "t.xlsx").touch()
    with pytest.raises(ValueError, match=r"t\.xlsx: one of \.csv, \.tsv, \.parquet"):
        image_table("", table=str(tmp_path / "t.xlsx"), **ARGUMENTS)


def test_a_single_group_cannot_be_split(tmp_path):
    rows = pd.DataFrame({"path": paint(tmp_path, 8), "label": ["a", "b"] * 4, "site": ["x"] * 8})
    with pytest.raises(ValueError, match=r"data\.test_fraction=0\.25: all pictures are of one group"):
        image_table("", table=write(rows, tmp_path / "t.csv"), group_column="site", **ARGUMENTS)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_cell_may_list_labels_or_none(tmp_path, suffix):
    cells = ["b|a", "", "a", " c | a "] * 3
    rows = pd.DataFrame({"path": paint(tmp_path, 12), "label": cells, "split": ["train"] * 4 + ["val"] * 4 + ["test"] * 4})
    if suffix == ".jsonl":
        rows["label"] = [cell.split("|") if cell else [] for cell in cells]
    source = image_table("", table=write(rows, tmp_path / f"t{suffix}"), **ARGUMENTS)
    assert source.class_names == ("a", "b", "c")
    assert source.train.labels_N.tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 0], [1, 0, 1]]
    assert source.valid is not None
    line = found.line(source, source.train, source.valid)
    assert line.startswith("train 4 (a 3, b 1, c 1, without a label 1), valid 4 ")


def test_whether_cells_list_labels_can_be_said(tmp_path):
    rows = pd.DataFrame({"path": paint(tmp_path, 16), "label": ["a", "b", "a;b", ""] * 4})
    table = write(rows, tmp_path / "t.csv")
    assert image_table("", table=table, label_separator=";", **ARGUMENTS).class_names == ("a", "b")
    with pytest.raises(ValueError, match=r"4 rows without label, the first of them row 4; data\.multi_label=true if a picture"):
        image_table("", table=table, **ARGUMENTS)
    rows["label"] = ["a", "b", "c|d", "b"] * 4
    table = write(rows, tmp_path / "u.csv")
    assert image_table("", table=table, label_separator=None, **ARGUMENTS).class_names == ("a", "b", "c|d")
    rows["label"] = ["a", "b", "", "b"] * 4
    listed = image_table("", table=write(rows, tmp_path / "v.csv"), multi_label=True, **ARGUMENTS)
    assert listed.train.labels_N.shape == (12, 2)


def test_one_value_of_a_column_is_left_out_for_testing(tmp_path):
    rows = pd.DataFrame({"path": paint(tmp_path, 12), "label": ["a", "b"] * 6, "site": (["A"] * 3 + [" 07"] * 3) * 2})
    rows["split"] = ["train", "test"] * 6
    table = write(rows, tmp_path / "t.csv")
    source = image_table("", table=table, leave_out=["site", "07"], **ARGUMENTS)
    assert (levels(source.load_test()), levels(source.train)) == ([3, 4, 5, 9, 10, 11], [0, 1, 2, 6, 7, 8])
    assert source.valid is None
    assert classes_by_value(table, "site", "label", "|") == {"A": {"a", "b"}, "07": {"a", "b"}}
    with pytest.raises(ValueError, match=r"data.leave_out=\[site,C\]: no picture has this value; one that some have"):
        image_table("", table=table, leave_out=["site", "C"], **ARGUMENTS)
    with pytest.raises(ValueError, match="has no column cite; it has path, label, site, split"):
        classes_by_value(table, "cite", "label", None)
    rows["patient"] = ["p", "q"] * 6
    with pytest.raises(ValueError, match="2 groups of patient in more than one split, such as p in test and train"):
        image_table("", table=write(rows, tmp_path / "t.csv"), leave_out=["site", "A"], group_column="patient", **ARGUMENTS)


def test_windows_paths_and_names_too_long(tmp_path):
    rows = pd.DataFrame({"path": [it.replace("/", "\\") for it in paint(tmp_path, 8)], "label": ["a", "b"] * 4})
    (tmp_path / "pictures" / "0.png").rename(tmp_path / "pictures" / "e\u0301.png")  # as a Mac's archive has it
    rows.loc[0, "path"] = "pictures\\\u00e9.png"
    source = image_table("", table=write(rows, tmp_path / "t.csv"), **ARGUMENTS)
    assert sorted([*levels(source.train), *levels(source.load_test())]) == [*range(8)]
    change(rows, "path", {3: "x" * 300})
    with pytest.raises(FileNotFoundError, match=r"1 of 8 pictures not found, such as .*xxx"):
        image_table("", table=write(rows, tmp_path / "t.csv"), **ARGUMENTS)


def test_what_may_be_a_mistake_of_the_table_is_said(tmp_path):
    names = ["Cat", "cat", "1", "1.0", "nan", "dog"]
    rows = pd.DataFrame({"path": paint(tmp_path, 24), "label": names * 4})
    rows = pd.concat([rows, rows.iloc[[0, 1, 1]]])
    rows.iloc[-1, 1] = "dog"
    rows["split"] = ["train"] * 12 + ["test"] * 12 + ["train"] * 3
    source = image_table("", table=write(rows, tmp_path / "t.csv"), **ARGUMENTS)
    assert source.class_names == ("1", "1.0", "Cat", "cat", "dog", "nan")
    assert source.remark == (
        "classes 1 and 1.0 may be one; classes Cat and cat may be one; class nan may be a missing label; "
        "2 pictures in more than one row, such as pictures/0.png"
    )
    said = found.contradictions(source, source.train, None)
    assert said == "1 picture is a copy of one with another label, such as pictures/1.png of pictures/1.png"


def test_numbers_among_which_one_is_none_are_in_the_order_of_words(tmp_path):
    rows = pd.DataFrame({"path": paint(tmp_path, 32), "label": ["nan", "10", "9", "inf"] * 8})
    assert image_table("", table=write(rows, tmp_path / "t.csv"), **ARGUMENTS).class_names == ("10", "9", "inf", "nan")


def test_a_label_is_one_line(tmp_path):
    rows = pd.DataFrame({"path": paint(tmp_path, 16), "label": ["a\nb", "a  b", "c", "d"] * 4})
    assert image_table("", table=write(rows, tmp_path / "t.csv"), **ARGUMENTS).class_names == ("a b", "c", "d")


def test_numbers_to_be_estimated_are_no_classes(tmp_path):
    rows = pd.DataFrame({"path": paint(tmp_path, 12), "label": [index / 7 for index in range(12)]})
    with pytest.raises(
        ValueError, match=r"^12 images of 12 classes cannot be split: each class needs at least 2; if the labels"
    ):
        image_table("", table=write(rows, tmp_path / "t.csv"), **ARGUMENTS)


def test_a_table_to_evaluate_is_relative_to_a_root_to_itself_or_to_the_training(tmp_path):
    of_training, elsewhere = tmp_path / "split", tmp_path / "elsewhere"
    rows = pd.DataFrame({"path": ["0.png", "1.png"], "label": ["a", "b"]})
    table = write(rows, tmp_path / "t.csv")
    columns = {"path_column": "path", "label_column": "label"}
    roots = {"root_of_training": str(of_training)}
    with pytest.raises(FileNotFoundError, match=r"^\S+t.csv: 2 of 2 pictures not found"):
        labelled_in(str(table), **columns, **roots)
    for folder in (of_training, tmp_path, elsewhere):
        folder.mkdir(exist_ok=True)
        for name in rows["path"]:
            Image.new("L", (8, 8)).save(folder / name)
        given = {"root": str(elsewhere)} if folder == elsewhere else {}
        assert labelled_in(str(table), **columns, **roots, **given).paths == [str(folder / name) for name in rows["path"]]
