"""What `train` returns of a run that has ended."""

from pathlib import Path

import pytest

import densenet_sweep
from densenet_sweep.python_api import command
from densenet_sweep.run import own_folder
from densenet_sweep.training import checkpoint


def test_a_cross_validation_has_folds_and_their_means(tmp_path, monkeypatch):
    folds = [{"valid_accuracy": share, "total_seconds": seconds} for share, seconds in ((0.5, 1.0), (0.75, 2.0))]

    def run(arguments):
        folder = Path(arguments[-1].partition("=")[2])
        own_folder.claim(folder)
        own_folder.release()
        checkpoint.save(folder / "last.pt", {"run_id": None, "folds": folds, "classes_of_folds": [None, None]})

    monkeypatch.setattr(command, "run", run)
    found = densenet_sweep.train(["data.folds=2", f"hydra.run.dir={tmp_path}"])
    assert (found.epochs, found.folds) == ((), tuple(folds))
    assert found.metrics == {"valid_accuracy": 0.625, "total_seconds": 2.0}
    with pytest.raises(FileNotFoundError):
        found.model()
