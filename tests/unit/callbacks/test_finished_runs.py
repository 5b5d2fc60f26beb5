from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from densenet_sweep.callbacks.finished_runs import ShowRuns
from densenet_sweep.run.artifacts import CHECKPOINT
from densenet_sweep.training import checkpoint

RUN_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def config(**changes: Any) -> DictConfig:
    hydra = {
        "overrides": {"task": ["data=digits", "epochs=2"]},
        "sweep": {"dir": "grid"},
        "runtime": {"config_sources": []},
    }
    target = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
    found = OmegaConf.create(
        {"objective": "valid_accuracy", "hydra": {**hydra, "sweeper": {"_target_": target, "direction": "maximize"}}}
    )
    return OmegaConf.merge(found, changes)  # type: ignore[return-value]


def epoch(accuracy: float, **others: float) -> dict[str, float]:
    return {"valid_accuracy": accuracy, "valid_loss": 0.5, "total_seconds": 61.5, "num_parameters": 71_254, **others}


def finished(folder: str, typed: str = "[]", **state: Any) -> Path:
    (Path(folder) / ".hydra").mkdir(parents=True)
    (Path(folder) / ".hydra" / "overrides.yaml").write_text(typed)
    checkpoint.save(Path(folder) / CHECKPOINT, {"run_id": None, **state})
    return Path(folder)


def shown_run(folder: Path, value: Any, capsys: pytest.CaptureFixture[str], status: JobStatus = JobStatus.COMPLETED) -> str:
    returned = JobReturn(status=status, _return_value=value)
    returned.hydra_cfg = OmegaConf.create({"hydra": {"runtime": {"output_dir": str(folder.absolute())}}})
    ShowRuns().on_run_end(config=config(), job_return=returned)
    return str(capsys.readouterr().out)


def test_a_run_ends_with_its_result_and_what_to_do_next(capsys):
    folder = finished("outputs/mine", history=[epoch(0.91), epoch(0.875)], run_id=RUN_ID)
    lines = shown_run(folder, 0.875, capsys).splitlines()
    assert lines[1:6] == [
        "result    validation accuracy 0.8750, validation loss 0.5000",
        "training  2 epochs in 61.5 s, 71,254 weights",
        "kept      the weights after epoch 1, validation accuracy 0.9100",
        f"run       {RUN_ID}",
        "folder    outputs/mine",
    ]
    typed = [line.partition("  #")[0].strip() for line in lines if "  #" in line]
    assert typed == [
        "densenet-sweep ui",
        f"densenet-sweep predict {RUN_ID} image.png",
        f"densenet-sweep rerun {RUN_ID} seed=1",
        "densenet-sweep final data=digits epochs=2",
    ]


def test_a_checkpoint_older_than_the_result_says_nothing_of_the_training(capsys):
    folder = finished("outputs/mine", history=[epoch(0.91)], run_id=RUN_ID)
    lines = shown_run(folder, 0.875, capsys).splitlines()
    assert lines[1:4] == [
        "result    validation accuracy 0.8750",
        f"run       {RUN_ID}",
        "folder    outputs/mine",
    ]
    assert not any("predict" in line for line in lines)


def test_a_final_run_of_several_objectives_ends_with_the_test_result_of_the_first(capsys):
    folder = finished("outputs/mine", history=[{"total_seconds": 61.5, "num_parameters": 71_254, "train_accuracy": 0.9}])
    returned = JobReturn(status=JobStatus.COMPLETED, _return_value=0.875)
    returned.hydra_cfg = OmegaConf.create({"hydra": {"runtime": {"output_dir": str(folder.absolute())}}})
    ShowRuns().on_run_end(config=config(objective=["valid_accuracy", "num_parameters"]), job_return=returned)
    assert "result    test accuracy 0.8750\n" in capsys.readouterr().out


def test_a_final_run_ends_with_its_test_result(capsys):
    past = {"train_accuracy": 0.99, "total_seconds": 2.0, "num_parameters": 10}
    text = shown_run(finished("outputs/mine", history=[past]), 0.9638, capsys)
    assert "result    test accuracy 0.9638\n" in text
    assert "kept" not in text
    assert "Next" not in text  # nothing is recorded, and it has been tested


def test_a_run_over_folds_ends_with_the_means(capsys):
    text = shown_run(finished("outputs/mine", folds=[epoch(0.25), epoch(0.75, valid_loss=0.25)]), 0.5, capsys)
    assert "result    validation accuracy 0.5000, validation loss 0.3750\n" in text
    assert "training  all folds in 61.5 s" in text


def test_a_run_that_failed_has_no_result(capsys):
    assert shown_run(finished("outputs/mine", history=[epoch(0.9)]), ValueError("x"), capsys, JobStatus.FAILED) == ""


def test_a_grid_ends_with_a_table_the_best_first(capsys):
    for job, accuracy in enumerate((0.5, 0.75, 0.25)):
        typed = f"[data=digits, optimizer.lr=0.{job}]"
        finished(f"grid/{job}", typed, history=[epoch(accuracy)], run_id=f"{job}" * 32)
    ShowRuns().on_multirun_end(config=config())
    text = capsys.readouterr().out
    assert "3 runs in grid" in text
    rows = [
        line.split() for line in text.splitlines() if line.split()[-1:] and line.split()[-1] in ("0" * 32, "1" * 32, "2" * 32)
    ]
    assert rows == [
        ["1", "0.1", "0.7500", "0.5000", "71,254", "61.5", "1" * 32],
        ["0", "0.0", "0.5000", "0.5000", "71,254", "61.5", "0" * 32],
        ["2", "0.2", "0.2500", "0.5000", "71,254", "61.5", "2" * 32],
    ]
    assert f"rerun {'1' * 32} seed=1" in text


def test_a_sweep_has_its_leaderboard_instead(capsys):
    finished("grid/0", history=[epoch(0.5)])
    ShowRuns().on_multirun_end(config=config(hydra={"sweeper": {"_target_": "hydra_plugins.x.AsyncOptunaSweeper"}}))
    assert capsys.readouterr().out == ""
