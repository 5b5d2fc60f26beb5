"""The pictures with the highest loss: which they are, and what is said of them."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from densenet_sweep.data.images import Found, HeldBack, Images, Source
from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.run import mistakes
from densenet_sweep.training.evaluation import evaluate

PREPROCESSING = Preprocessing(4, torch.zeros(1), torch.ones(1))


class Levels(nn.Module):
    """Takes a bright image for the second class, a dark one for the first."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.maps.weight)

    def forward(self, images_BCHW):
        mean_B1 = self.maps(images_BCHW).mean(dim=(2, 3))
        return torch.cat([3 - 6 * mean_B1, 6 * mean_B1 - 3], dim=1)


@pytest.fixture
def source() -> Source:
    levels = [0, 250, 100, 255, 140, 10]
    pixels_MCHW = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].repeat(1, 1, 4, 4)
    images = Images(pixels_MCHW, torch.tensor([0, 0, 0, 1, 1, 1]))
    names = [f"{label}/{level}.png" for label, level in zip("aaabbb", levels, strict=True)]
    found = Found(names, np.arange(6, dtype=np.uint64), np.array([], np.int64), np.array([], np.int64))
    return Source(("a", "b"), images, HeldBack(lambda: images), found=found)


def kept(folder: Path, source: Source, count: int, network: nn.Module) -> list[dict[str, str]]:
    images = source.train.select(torch.tensor([5, 4, 3, 2, 1]))
    batches = [(PREPROCESSING.normalize(images.images_NCHW.float()), images.labels_N)]
    evaluation = evaluate(network, batches, dtype=torch.float32)
    mistakes.keep(folder, count, network, images, evaluation, PREPROCESSING, source, split="Validation")
    path = folder / "mistakes.csv"
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else []


def test_the_highest_losses_come_first_with_label_prediction_and_probability(tmp_path, source):
    rows = kept(tmp_path, source, 3, Levels())
    assert [row["path"] for row in rows] == ["a/250.png", "b/10.png", "b/140.png"]
    assert [(row["label"], row["predicted"]) for row in rows] == [("a", "b"), ("b", "a"), ("b", "b")]
    logits = torch.tensor([3 - 6 * 250 / 255, 6 * 250 / 255 - 3])
    assert float(rows[0]["probability"]) == pytest.approx(float(logits.softmax(0)[1]), abs=1e-5)
    assert float(rows[0]["loss"]) == pytest.approx(-float(logits.log_softmax(0)[0]), abs=1e-4)
    with Image.open(tmp_path / "mistakes.png") as sheet:
        assert sheet.width > 3 * 2 * 128
        colours = np.asarray(sheet)
    # The first is bright and predicted so: hot all over. The second is dark, and nothing speaks for its class.
    width = 2 * 128 + 30
    assert np.ptp(colours[60, 10 + 10 + 128 + 60]) > 50
    assert np.ptp(colours[60, 10 + width + 10 + 128 + 60]) == 0


def test_none_are_kept_if_none_are_wanted_and_a_network_without_maps_has_no_heat(tmp_path, source, caplog):
    assert kept(tmp_path, source, 0, Levels()) == []
    flat = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    assert len(kept(tmp_path, source, 100, flat)) == 5
    assert "have no heat maps (Grad-CAM: this network has no feature maps" in caplog.text
