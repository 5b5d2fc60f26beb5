"""Cross-validated runs and sweeps of the command on scikit-learn's digits, in this process."""

import statistics

import numpy as np
import optuna
import pytest
from hydra_async_sweeper.study.storage import open_storage

from densenet_sweep.run import reporting
from densenet_sweep.training import checkpoint

TINY = (
    "data=digits", "data.num_train=100", "architecture.depth=10", "architecture.growth_rate=2", "device=cpu", "precision=fp32",
    "tracking=none",
)  # fmt: skip


def results(folder):
    names = ("train_loss", "valid_loss", "valid_accuracy")
    return [[fold[name] for name in names] for fold in checkpoint.load(folder / "last.pt")["folds"]]


def test_an_interrupted_run_continues_at_its_fold_and_epoch(command, tmp_path, monkeypatch):
    common = (*TINY, "data.folds=2", "epochs=2", "objective=valid_loss")
    whole = command(*common, f"hydra.run.dir={tmp_path / 'whole'}")
    assert whole.exit_code == 0, whole.err
    first, second = results(tmp_path / "whole")
    assert first != second
    assert f"mean so far {statistics.fmean([first[1], second[1]]):.4f}" in whole.out
    assert not list((tmp_path / "whole").rglob("best.pt"))
    line_of = reporting.line_of

    def interrupted(epoch, *rest):
        lines.append(epoch)
        if len(lines) == 4:  # the second epoch of the second fold
            raise KeyboardInterrupt
        return line_of(epoch, *rest)

    lines = []
    monkeypatch.setattr(reporting, "line_of", interrupted)
    assert command(*common, f"hydra.run.dir={tmp_path / 'parts'}").exit_code == 130
    assert results(tmp_path / "parts") == [first]
    again = command(*common, f"hydra.run.dir={tmp_path / 'parts'}")
    assert "continuing after fold 1 of 2" in again.out
    assert "fold 2/2 continuing after epoch 1 of 2" in again.out
    assert again.out.count("valid loss") == 1
    assert results(tmp_path / "parts") == [first, second]
    other = command(*common, "optimizer.lr=0.01", f"hydra.run.dir={tmp_path / 'parts'}")
    assert "optimizer.lr=0.01, but " in other.err


def test_a_pruner_that_takes_folds_for_progress_is_refused(command):
    typed = command("sweep=growth_depth_lr", *TINY, "data.folds=3", "rungs=[]", "hydra/launcher=basic")
    assert (
        "hydra/sweeper/pruner: wilcoxon or none is accepted beside data.folds=3, whose steps are folds; to PromotionPruner"
        in typed.err
    )


def test_a_sweep_judges_by_folds_and_confirm_trains_on_all(command, tmp_path):
    swept = command(
        "sweep=growth_depth_lr", *TINY, "data.folds=3", "rungs=[]", "epochs=1", "hydra/sweeper/pruner=wilcoxon",
        "hydra/launcher=basic", "hydra.sweeper.study_name=cv", "hydra.sweeper.n_trials=2", "hydra.sweeper.enqueue=null",
        "architecture.growth_rate=choice(2,3)",
    )  # fmt: skip
    assert swept.exit_code == 0, swept.err
    folder = tmp_path / "outputs" / "sweeps" / "cv"
    for trial in optuna.load_study(study_name="cv", storage=open_storage(None, folder)).trials:
        assert trial.user_attrs["fold_values"] == [trial.intermediate_values[fold] for fold in (1, 2, 3)]
        assert trial.value == pytest.approx(statistics.fmean(trial.intermediate_values.values()))
        assert trial.user_attrs["num_valid"] == 1438
        files = {path.name for path in (folder / str(trial.number)).rglob("*") if path.is_file()}
        assert not files & {"best.pt", "last.pt"}
    assert "± se" in swept.out
    assert "A mean accuracy over 3 folds is uncertain by" in swept.out
    confirmed = command(
        "confirm", "cv", "--top=1", "--seeds=2", "hydra/launcher=basic", "tracking=none", "device=cpu", "precision=fp32"
    )
    assert confirmed.exit_code == 0, confirmed.err
    assert "fold" not in confirmed.out
    runs = tmp_path / "outputs" / "confirmations" / "cv-confirmation-of-2"
    assert (runs / "0" / "artifacts" / "final.pt").is_file()


def test_a_given_validation_split_is_no_fold(command, tmp_path):
    arrays = {}
    for split, count in (("train", 20), ("val", 10), ("test", 10)):
        arrays[f"{split}_images"] = np.zeros((count, 8, 8), np.uint8)
        arrays[f"{split}_labels"] = np.arange(count) % 2
    np.savez(tmp_path / "set.npz", **arrays)
    typed = command(
        *TINY, "data=npz", "data.num_train=null", f"data.root={tmp_path / 'set.npz'}", "data.image_size=8", "data.folds=2"
    )
    assert typed.exit_code == 1
    assert typed.err.strip().endswith("data.folds=2: null is accepted, as the data set has a validation split of its own")
