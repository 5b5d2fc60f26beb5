"""What a run leaves in its folder, and when it is written."""

import math
from unittest.mock import Mock

import pytest
import torch
from hydra_async_sweeper import TrialLost

from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.run import folder as run_folder
from densenet_sweep.run.folder import RunFolder
from densenet_sweep.training import checkpoint
from densenet_sweep.training.ema import WeightAverage
from densenet_sweep.training.evaluation import Evaluation

VALIDATION = Evaluation(
    0.5, 0.9, torch.eye(2, dtype=torch.int64), torch.ones(2, dtype=torch.bool), torch.eye(2), torch.tensor([0, 1])
)


@pytest.fixture
def network():
    return torch.nn.Linear(1, 2)


@pytest.fixture
def folder(network, tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "_REST", math.inf)
    monkeypatch.setattr(run_folder, "_LONGEST_REST", math.inf)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    preprocessing = Preprocessing(1, torch.zeros(1), torch.ones(1))
    same = {"config": "{}", "images": "0", "num_threads": 1, "weights": None}
    return RunFolder(tmp_path, network, optimizer, same=same, preprocessing=preprocessing, class_names=["a", "b"])


def history(num_epochs):
    return [{"epoch": index + 1} for index in range(num_epochs)]


def written(folder):
    """Return the epochs of the checkpoint and the epoch of the best weights, or nothing where there is no file."""
    last, best = folder.artifacts.parent / "last.pt", folder.artifacts / "best.pt"
    num_epochs = len(checkpoint.load(last)["history"]) if last.exists() else None
    return num_epochs, checkpoint.load(best)["epoch"] if best.exists() else None


def held():
    """Say that the lease is held."""


def test_of_averaged_weights_the_average_is_kept_and_training_continues_from_both(network, tmp_path):
    average = WeightAverage(network, 0.9)
    before = average.network.weight.clone()
    torch.nn.init.ones_(network.weight)
    folder = RunFolder(
        tmp_path, network, torch.optim.SGD(network.parameters()), same={"config": "{}"},
        average=average, preprocessing=Preprocessing(1, torch.zeros(1), torch.ones(1)), class_names=["a", "b"],
    )  # fmt: skip
    with folder.writing(held):
        folder.keep([], history(1), "run", best=VALIDATION)
    folder.keep_final(1)
    last = checkpoint.load(tmp_path / "last.pt")
    assert torch.equal(last["network"]["weight"], torch.ones(2, 1))
    assert torch.equal(last["average"]["network"]["weight"], before)
    for name in ("best.pt", "final.pt"):
        assert torch.equal(checkpoint.load(folder.artifacts / name)["network"]["weight"], before)


def test_the_start_and_the_first_epoch_are_written_at_once(folder):
    with folder.writing(held):
        folder.keep([], [], "run")
        assert written(folder) == (0, None)
        folder.keep([], history(1), "run", best=VALIDATION)
        assert written(folder) == (1, 1)


def test_what_follows_shortly_is_written_at_the_end(folder):
    with folder.writing(held):
        folder.keep([], history(1), "run", best=VALIDATION)
        folder.keep([], history(2), "run", best=VALIDATION)
        folder.keep([], history(3), "run")
        assert written(folder) == (1, 1)
    assert written(folder) == (3, 2)


def test_long_epochs_are_written_one_by_one(folder, monkeypatch):
    monkeypatch.setattr(run_folder, "_REST", 0)
    with folder.writing(held):
        for num_epochs in (1, 2, 3):
            folder.keep([], history(num_epochs), "run", best=VALIDATION)
            assert written(folder) == (num_epochs, num_epochs)


def stopped_in_the_third_epoch(folder, network, reason, check_lease):
    with folder.writing(check_lease):
        folder.keep([], history(1), "run", best=VALIDATION)
        folder.keep([], history(2), "run", best=VALIDATION)
        with torch.no_grad():  # a step of the third
            network.weight += 1
        raise reason


@pytest.mark.parametrize("reason", [KeyboardInterrupt, SystemExit, ArithmeticError])
def test_whoever_stops_in_an_epoch_keeps_those_before_it(reason, folder, network):
    weight = network.weight.detach().clone()
    with pytest.raises(reason):
        stopped_in_the_third_epoch(folder, network, reason, held)
    assert written(folder) == (2, 2)
    for path in (folder.artifacts.parent / "last.pt", folder.artifacts / "best.pt"):
        assert torch.equal(checkpoint.load(path)["network"]["weight"], weight)


def lost():
    raise TrialLost


def away():
    raise ConnectionError


@pytest.mark.parametrize(("reason", "check_lease"), [(TrialLost, held), (KeyboardInterrupt, lost), (KeyboardInterrupt, away)])
def test_a_folder_that_is_another_workers_is_left_alone(reason, check_lease, folder, network):
    with pytest.raises(reason):
        stopped_in_the_third_epoch(folder, network, reason, check_lease)
    assert written(folder) == (1, 1)


def test_weights_that_found_the_disk_full_are_written_later(folder, monkeypatch, caplog):
    with folder.writing(held):
        with monkeypatch.context() as disk:
            disk.setattr(checkpoint, "save", Mock(side_effect=OSError(28, "No space left on device")))
            folder.keep([], history(1), "run", best=VALIDATION)
        assert written(folder) == (None, None)
        folder.keep([], history(2), "run")
    assert written(folder) == (2, 1)
    assert "best.pt: not written (No space left on device); training continues without it" in caplog.text


def test_no_checkpoint_names_weights_that_found_the_disk_full(folder, monkeypatch):
    save = checkpoint.save

    def full_for_weights(path, *arguments, **options):
        if path.name == "best.pt":
            raise OSError(28, "No space left on device")
        save(path, *arguments, **options)

    with folder.writing(held):
        folder.keep([], history(1), "run", best=VALIDATION)
        monkeypatch.setattr(checkpoint, "save", full_for_weights)
        folder.keep([], history(2), "run", best=VALIDATION)
    assert written(folder) == (1, 1)  # continued from here, the second epoch's weights are found again
