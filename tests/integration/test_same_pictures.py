"""What was begun on some pictures is not mixed with others."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_runs import NOTHING

from densenet_sweep.run import splits
from densenet_sweep.training import checkpoint

PICTURES = [
    "data=image_folder", "data.root=pictures", "data.image_size=8", "data.valid_fraction=0.3", "batch_size=8", "epochs=2",
    "architecture.depth=10", "architecture.growth_rate=4", "device=cpu", "precision=fp32", *NOTHING,
]  # fmt: skip


@pytest.fixture
def paint(tmp_path: Path) -> Callable[[int], None]:
    """Make a folder of pictures, which differ by one level in one of them."""
    from PIL import Image

    def write(level: int) -> None:
        for name in ("cats", "dogs"):
            (tmp_path / "pictures" / name).mkdir(parents=True, exist_ok=True)
            for number in range(10):
                colour = (level if (name, number) == ("dogs", 3) else 7 * number, 100, 200)
                Image.new("RGB", (8, 8), colour).save(tmp_path / "pictures" / name / f"{number}.png")
        splits._read.cache_clear()

    return write


def test_the_range_of_16_bit_pictures_is_that_of_training_in_every_use(command, tmp_path, capsys):
    import json

    import numpy as np
    from PIL import Image

    from densenet_sweep.commands import predict
    from densenet_sweep.models import exported, trained

    levels = {"train": (2000, 1000), "VAL": (2500, 0), "Test": (1700, 1300)}
    for split, pair in levels.items():
        for name, level in zip(("cats", "dogs"), pair, strict=True):
            (tmp_path / "pictures" / split / name).mkdir(parents=True)
            for number in range(3):
                array = np.full((8, 12), max(level - number, 0), np.uint16)
                Image.fromarray(array).save(tmp_path / "pictures" / split / name / f"{number}.png")
    wide = [*PICTURES, "epochs=1", "data.num_channels=1", "data.image_size=[8,12]", "data.resize=stretch", "hydra.run.dir=run"]
    typed = command(*wide)
    assert typed.exit_code == 0, typed.err
    found = "train 6 (cats 3, dogs 3), valid 6 (cats 3, dogs 3), test 6 (cats 3, dogs 3); values 998 (black) to 2000 (white)"
    assert found in typed.out
    assert checkpoint.load(tmp_path / "run" / "artifacts" / "best.pt")["value_range"] == [998, 2000]
    classifier = trained.classifier(tmp_path / "run" / "artifacts")
    assert (classifier.signature.value_range, classifier.signature.range_is_found) == ((998, 2000), True)
    assert (classifier.signature.image_size, classifier.signature.resize) == ((8, 12), "stretch")
    exported.write(tmp_path / "model.pt2", classifier.export(), classifier.signature, "torch_export")
    predict.main([str(tmp_path / "model.pt2"), str(tmp_path / "pictures" / "VAL" / "cats" / "0.png"), "--format=json"])
    [shown] = json.loads(capsys.readouterr().out)
    probabilities = classifier(torch.full((1, 1, 8, 12), 255, dtype=torch.uint8))[0]
    assert {it["class"]: it["probability"] for it in shown["classes"]} == pytest.approx(
        dict(zip(("cats", "dogs"), probabilities.tolist(), strict=True)), abs=1e-5
    )


def test_a_run_is_not_continued_on_other_pictures(command, tmp_path, paint):
    paint(100)
    assert command(*PICTURES, "hydra.run.dir=run").exit_code == 0
    assert command(*PICTURES, "hydra.run.dir=run").exit_code == 0
    paint(101)
    typed = command(*PICTURES, "hydra.run.dir=run")
    assert typed.exit_code == 1
    assert typed.err.startswith("densenet-sweep: error: data.root=pictures: the digest of its images is ")
    assert typed.err.endswith(": put them back, or choose another hydra.run.dir\n")
    last = checkpoint.load(tmp_path / "run" / "last.pt")
    del last["images"]  # as older versions wrote it
    checkpoint.save(tmp_path / "run" / "last.pt", last)
    assert command(*PICTURES, "hydra.run.dir=run").exit_code == 0


def test_a_study_is_not_continued_on_other_pictures(command, paint):
    from densenet_sweep.results.studies import find

    def states():
        return [trial.state.name for trial in find("pictures").load().trials]

    searched = ["architecture.depth=choice(10)", "architecture.growth_rate=choice(4,6)", "rungs=[]"]
    settings = ["hydra/launcher=basic", "hydra/sweeper/pruner=none", "hydra.sweeper.study_name=pictures"]
    swept = ["sweep=growth_depth_lr", *PICTURES, *searched, *settings]
    paint(100)
    assert command(*swept, "hydra.sweeper.n_trials=1").exit_code == 0
    paint(101)
    typed = command(*swept, "hydra.sweeper.n_trials=2")
    assert typed.exit_code == 1
    assert "data.root=pictures: the digest of its images is " in typed.err
    assert "another hydra.sweeper.study_name starts a new study beside pictures" in typed.err
    assert states() == ["COMPLETE", "WAITING"]
    paint(100)
    assert command(*swept, "hydra.sweeper.n_trials=2").exit_code == 0
    paint(101)
    third = command(*swept, "hydra.sweeper.n_trials=3", "hydra.sweeper.allow_config_change=true")
    assert third.exit_code == 0, third.err
    assert states() == ["COMPLETE", "COMPLETE", "COMPLETE"]


def test_neither_a_confirmation_nor_its_champion_is_trained_on_other_pictures_than_the_sweep(command, paint):
    searched = ["architecture.depth=choice(10)", "architecture.growth_rate=choice(4,6)", "rungs=[]", "hydra/launcher=basic"]
    swept = ["sweep=growth_depth_lr", *PICTURES, *searched, "hydra/sweeper/pruner=none", "hydra.sweeper.study_name=pictures"]
    confirm = ["confirm", "pictures", "--top", "1", "--seeds", "2", "hydra/launcher=basic", "tracking=none"]
    final = [
        "final",
        "--config-dir",
        "outputs/confirmations/pictures-confirmation-of-1",
        "experiment=champion",
        "tracking=none",
    ]
    paint(100)
    assert command(*swept, "hydra.sweeper.n_trials=1").exit_code == 0
    paint(101)
    refused = command(*confirm)
    assert refused.exit_code == 1
    assert "error: data.root=pictures: the digest of its images is " in refused.err
    assert ", but the study pictures has " in refused.err
    paint(100)
    assert command(*confirm).exit_code == 0
    paint(101)
    refused = command(*final)
    assert refused.exit_code == 1
    assert "error: data.root=pictures: the digest of its images is " in refused.err
    paint(100)
    assert command(*final).exit_code == 0
