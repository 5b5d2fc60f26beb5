"""Single runs in MLflow, and what a second start adds to them."""

from contextlib import suppress
from typing import Any

import pytest
from hydra_async_sweeper import TrialLost
from hydra_async_sweeper.trial import NullTrial, running
from small_runs import TINY, history, recorded

from densenet_sweep.config.metrics import OF_OUTPUTS
from densenet_sweep.run import reporting, train


def test_a_single_run_in_mlflow(command, tmp_path):
    typed = command(*TINY, "epochs=2", "tracking.system_metrics=false")
    assert typed.exit_code == 0, typed.err
    [run] = recorded(tmp_path)
    assert run.info.status == "FINISHED"
    assert run.data.params["architecture"] == "densenet_bc"
    assert run.data.params["architecture.growth_rate"] == "4"
    assert run.data.params["optimizer.lr"] == "0.1"
    names = {"train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "lr", "epoch_seconds", "images_per_second"}
    names |= {f"valid_{name}" for name in OF_OUTPUTS}
    of_classes = {name for name in run.data.metrics if "/" in name}
    assert {f"valid_recall/{digit}" for digit in range(10)} <= of_classes
    assert names | {"num_parameters", "peak_memory_bytes", "total_seconds"} == set(run.data.metrics) - of_classes
    assert run.data.tags["overrides"].startswith("data=digits architecture.depth=10")
    assert run.data.tags["device.type"] == "cpu"
    assert "git.commit" in run.data.tags


def test_a_failed_run_is_failed_in_mlflow(command, tmp_path):
    command(*TINY, "optimizer.lr=1e20", "schedule=constant", "tracking.system_metrics=false")
    [run] = recorded(tmp_path)
    assert run.info.status == "FAILED"
    assert "the loss is" in run.data.tags["trial.reason"]


def test_a_run_that_ends_in_its_first_epoch_is_continued_in_the_same_record(command, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt
        yield

    common = [*TINY, "epochs=2", "tracking.system_metrics=false", "hydra.run.dir=run"]
    with monkeypatch.context() as patched:
        patched.setattr("densenet_sweep.run.network_training.fit", interrupted)
        assert command(*common).exit_code == 130
    assert history(tmp_path / "run") == []
    assert [run.info.status for run in recorded(tmp_path)] == ["KILLED"]
    assert command(*common).exit_code == 0
    [run] = recorded(tmp_path)
    assert run.info.status == "FINISHED"
    assert len(history(tmp_path / "run")) == 2


def test_what_a_killed_process_recorded_is_not_recorded_again(command, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    from densenet_sweep.run import folder as run_folder
    from densenet_sweep.tracking import mlflow_record

    monkeypatch.setattr(run_folder, "_REST", 10**9)  # the first epoch is in a file, the others are not
    monkeypatch.setattr(mlflow_record, "_REST_OF_EPOCHS", 0)
    last = tmp_path / "run" / "last.pt"
    line_of, after_the_first = reporting.line_of, []

    def interrupted(epoch, *rest):
        if epoch.index == 1:
            after_the_first.append(last.read_bytes())
        if epoch.index == 3:
            raise KeyboardInterrupt
        return line_of(epoch, *rest)

    arguments = [*TINY, "epochs=5", "tracking.system_metrics=false", f"hydra.run.dir={tmp_path / 'run'}"]
    with monkeypatch.context() as first:
        first.setattr(reporting, "line_of", interrupted)
        assert command(*arguments).exit_code == 130
    last.write_bytes(after_the_first[0])  # as kill -9 would have left it
    typed = command(*arguments)
    assert "continuing after epoch 1 of 5" in typed.out
    [run] = recorded(tmp_path)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    for metric in ("valid_accuracy", "epoch_seconds"):
        assert [it.step for it in client.get_metric_history(run.info.run_id, metric)] == [1, 2, 3, 4, 5]


class AttemptAtATrial(NullTrial):
    """A trial of a study as one attempt sees it: what an earlier one annotated, and the reports of both."""

    number = 0
    study_name = "far"

    def __init__(self, earlier: dict[str, Any], reports: dict[int, float], *, dies_at: int | None) -> None:
        self.annotations = dict(earlier)
        self.annotated = earlier
        self.reports = reports
        self.known = set(reports)
        self.dies_at = dies_at

    def annotate(self, key: str, value: object, *, is_copied: bool = True) -> None:  # noqa: ARG002
        self.annotated[key] = value

    def restart(self, step: int) -> None:
        self.known = {known for known in self.known if known <= step}

    def report(self, value: float, step: int) -> None:
        if step not in self.known:
            self.reports[step] = value
        if step == self.dies_at:
            raise TrialLost("as good as dead: nothing more is written")


@pytest.mark.parametrize("num_sent", [1, 3])
def test_where_no_folder_is_shared_an_attempt_continues_with_the_run_that_the_study_names(tmp_path, monkeypatch, num_sent):
    from densenet_sweep.config import composition
    from densenet_sweep.run.recording import Job
    from densenet_sweep.tracking import mlflow_record
    from densenet_sweep.tracking.store import connect

    monkeypatch.chdir(tmp_path)
    overrides = [*TINY, "epochs=4", "tracking.system_metrics=false"]
    kept: dict[str, Any] = {}
    reports: dict[int, float] = {}
    rest = mlflow_record._REST_OF_EPOCHS
    for host, dies_at, seed in (("one", 3, 0), ("two", None, 1)):  # another seed stands for another machine's numbers
        monkeypatch.setattr(mlflow_record, "_REST_OF_EPOCHS", 0 if num_sent == 3 else 10**9)
        trial = AttemptAtATrial(kept, reports, dies_at=dies_at)
        job = Job(tmp_path / host, {"architecture": "densenet_bc", "data": "digits"}, overrides)
        config = composition.typed(composition.compose([*overrides, f"seed={seed}", "optimizer.nesterov=true"]))
        with running(trial), suppress(TrialLost):
            train.train(config, job)
    monkeypatch.setattr(mlflow_record, "_REST_OF_EPOCHS", rest)
    [run] = recorded(tmp_path)
    assert (run.info.run_id, run.info.status) == (kept["mlflow_run_id"], "FINISHED")
    metrics = connect(f"sqlite:///{tmp_path}/mlruns/mlflow.db").get_metric_history(run.info.run_id, "valid_accuracy")
    assert [metric.step for metric in metrics] == [1, 2, 3, 4]
    assert reports == {metric.step: metric.value for metric in metrics}
