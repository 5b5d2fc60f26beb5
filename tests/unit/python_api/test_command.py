"""What a command within this process takes over from the one before."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from PIL import Image

from densenet_sweep import dispatch
from densenet_sweep.config import composition
from densenet_sweep.python_api import command
from densenet_sweep.run import splits


def write_pictures(folder, level):
    for label, name in enumerate("ab"):
        (folder / "pictures" / name).mkdir(parents=True, exist_ok=True)
        for index in range(6):
            Image.new("L", (8, 8), level + label).save(folder / "pictures" / name / f"{index}.png")


@pytest.mark.parametrize("folds", ["null", "2"])
def test_pictures_that_have_changed_are_read_anew(tmp_path, monkeypatch, folds):
    read = []

    def train(overrides):
        data = composition.typed(composition.compose(overrides)).data
        read.extend(splits.of_run(data, torch.device("cpu"), (), "valid_loss", is_final=False) for _ in range(2))

    monkeypatch.setattr(dispatch, "dispatch", train)
    arguments = [
        *("data=image_folder", "data.root=pictures", "data.image_size=8", "data.num_channels=1"),
        *("data.valid_fraction=0.25", f"data.folds={folds}"),
    ]
    for folder, level in (("one", 10), ("one", 30), ("two", 50)):
        write_pictures(tmp_path / folder, level)
        monkeypatch.chdir(tmp_path / folder)
        command.run(arguments)
    levels = [sorted(set(it.pairs[0][0].images_NCHW.unique().tolist())) for it in read]
    assert levels == [[10, 11], [10, 11], [30, 31], [30, 31], [50, 51], [50, 51]]
    assert read[0].source is read[1].source, "trials of one command share what was read"


def test_threads_take_turns(monkeypatch):
    seen = []

    def dispatched(arguments):
        before = sys.argv
        time.sleep(0.05)
        seen.append((before[1:], sys.argv[1:], list(arguments)))

    monkeypatch.setattr(dispatch, "dispatch", dispatched)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda seed: command.run([f"seed={seed}"]), range(4)))
    assert sorted(seen) == [([f"seed={seed}"],) * 3 for seed in range(4)]
