"""A DataFrame of one's own pictures, for `train` and `run_sweep`."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from PIL import Image

import densenet_sweep
from densenet_sweep.data.image_table import image_table
from densenet_sweep.python_api import command
from densenet_sweep.python_api.table import with_table

ARGUMENTS = {"image_size": 4, "num_channels": 1, "test_fraction": 0.25, "split_seed": 0}


@pytest.fixture
def rows(tmp_path, monkeypatch) -> pd.DataFrame:
    (tmp_path / "it's").mkdir()
    monkeypatch.chdir(tmp_path / "it's")
    for level in range(12):
        Image.new("L", (4, 4), level).save(f"{level}.png")
    labels = [["a"], np.array(["a", "b"]), (), None, "b|a", b"b"]
    frame = pd.DataFrame({"path": [Path(f"{level}.png") for level in range(12)], "label": labels * 2})
    return frame.assign(
        when=pd.Timestamp("2026-01-01"), weight=np.float32(2), patient=pd.array([1, 2, 3, 4, 5, 6] * 2, "Int64")
    )


def test_its_file_gives_what_it_gives(rows):
    overrides = with_table(["data.group_column=patient"], rows)
    [file] = Path("outputs", "tables").iterdir()
    assert overrides == ["data=image_table", "data.root=.", f"data.table={file}", "data.group_column=patient"]
    arguments = {**ARGUMENTS, "group_column": "patient", "weight_column": "weight"}
    kept = image_table(".", table=str(file), **arguments)
    given = image_table("", table=rows, **arguments)
    assert kept.class_names == given.class_names == ("a", "b")
    assert kept.train.digest == given.train.digest
    assert kept.groups_N.tolist() == given.groups_N.tolist()
    assert with_table([], rows) == overrides[:3]
    changed = with_table(["data=own", "data.root=there"], rows[:6])
    assert (changed[1:], changed[0] == overrides[2]) == (["data=own", "data.root=there"], False)


def test_train_and_run_sweep_pass_it_on(rows, monkeypatch):
    typed = []

    def run(arguments):
        typed.append(arguments)
        raise InterruptedError

    monkeypatch.setattr(command, "run", run)
    for call in (densenet_sweep.train, densenet_sweep.run_sweep):
        with pytest.raises(InterruptedError):
            call(["epochs=1"], table=rows)
        assert typed[-1][:4] == with_table(["epochs=1"], rows)
        assert OverridesParser.create().parse_overrides(typed[-1])  # the folder's name has a quote


@pytest.mark.parametrize(
    ("change", "overrides", "message"),
    [
        (lambda rows: rows, ["data.table=t.csv"], r"^table: is given, and so is data\.table=t\.csv; one of them is accepted$"),
        (lambda rows: rows.to_dict(), [], r"^table: is a dict; the path of a file or a pandas DataFrame is accepted$"),
        (lambda rows: rows.assign(label=[{1}] * 12), [], r"^table: a value is a set; text, a number or a list of them"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(rows, change, overrides, message):
    with pytest.raises((ValueError, TypeError), match=message):
        with_table(overrides, change(rows))
    assert not Path("outputs").exists()
