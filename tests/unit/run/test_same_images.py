"""The runs of a confirmation have one test set."""

from pathlib import Path

import pytest
import torch
from hydra_async_sweeper.application import SweepError
from hydra_async_sweeper.trial import NullTrial, running
from PIL import Image

from densenet_sweep.config import composition
from densenet_sweep.run import same_images, splits
from densenet_sweep.run.recording import Job

ARGUMENTS = ["data=image_folder", "data.root=pictures", "data.image_size=8", "data.num_channels=1", "data.valid_fraction=0.25"]


class HeldTrial(NullTrial):
    """A trial of a study that other trials have held to some values."""

    number = 1

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def hold_to(self, key: str, value: str, subject: str) -> None:
        if self.held.setdefault(key, value) != value:
            raise SweepError(f"{subject} {value}")


@pytest.fixture
def trial(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for split in ("train", "test"):
        for label, name in enumerate("ab"):
            Path("pictures", split, name).mkdir(parents=True)
            for index in range(8):
                Image.new("L", (8, 8), 100 * label + index).save(Path("pictures", split, name, f"{index}.png"))
    return HeldTrial()


def check(trial, *, final, arguments=()):
    splits._read.cache_clear()
    data = composition.typed(composition.compose([*ARGUMENTS, *arguments])).data
    images = splits.of_run(data, torch.device("cpu"), (), "valid_accuracy", is_final=final)
    with running(trial):
        same_images.check(data, images, {}, Job(Path("run"), {}, (), final=final))
    assert images.source.load_test.num_reads == 0


def test_a_final_run_is_held_to_the_test_images_of_the_study(trial):
    check(trial, final=True)
    check(trial, final=True)
    Image.new("L", (8, 8), 50).save("pictures/test/a/0.png")
    with pytest.raises(SweepError, match=r"^data.root=pictures: the digest of its test images is [0-9a-f]{16}$"):
        check(trial, final=True)
    check(trial, final=True, arguments=["data.split_seed=7"])  # a seed that draws test images of its own
    Path("pictures/test/b/0.png").unlink()
    with pytest.raises(SweepError, match="test images"):
        check(trial, final=True, arguments=["data.split_seed=7"])


def test_a_sweep_and_a_single_run_know_nothing_of_them(trial):
    check(trial, final=False)
    assert not any(key.startswith("test") for key in trial.held)
    trial.number = None
    check(trial, final=True)
    assert not any(key.startswith("test") for key in trial.held)
