"""Weights of the pictures of a table, in whole runs in this process."""

import numpy as np
import pytest
from PIL import Image

from densenet_sweep.training import checkpoint

TINY = (
    "data=image_table", "data.table=t.csv", "data.num_channels=1", "data.image_size=8", "architecture.depth=10",
    "architecture.growth_rate=2", "device=cpu", "precision=fp32", "num_threads=1", "epochs=3", "batch_size=4",
    "optimizer.lr=0.5", "tracking=none",
)  # fmt: skip


def test_weights_of_one_size_change_nothing_and_others_the_training_alone(command, tmp_path):
    generator = np.random.default_rng(0)
    rows = ["path,label,split,same,half,negative"]
    for number in range(24):
        Image.fromarray(generator.integers(0, 256, (8, 8), np.uint8)).save(tmp_path / f"{number}.png")
        split = ("train", "train", "val", "test")[number // 2 % 4]
        rows.append(f"{number}.png,{'ab'[number % 2]},{split},4,{(number // 2) % 2},{-(number % 3)}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    found = {}
    for column in ("null", "same", "half"):
        typed = command(*TINY, f"data.weight_column={column}", f"hydra.run.dir={tmp_path / column}")
        assert typed.exit_code == 0, typed.err
        found[column] = checkpoint.load(tmp_path / column / "last.pt")["history"]
        assert ("train has weights" in typed.out) == (column != "null")
    for metric in ("train_loss", "valid_loss"):
        assert found["same"][0][metric] == pytest.approx(found["null"][0][metric], rel=1e-4)
        assert found["half"][-1][metric] != pytest.approx(found["null"][-1][metric], rel=1e-5)
    typed = command(*TINY, "data.weight_column=same", f"hydra.run.dir={tmp_path / 'half'}")
    assert "data.weight_column=same, but " in typed.err  # not continued with other weights
    typed = command(*TINY, "data.weight_column=negative", f"hydra.run.dir={tmp_path / 'negative'}")
    assert typed.err.startswith(
        "densenet-sweep: error: data.table=t.csv: 12 weights in negative cannot be used (12 negative), "
    )
    assert (typed.exit_code, typed.err.count("\n")) == (1, 1)
