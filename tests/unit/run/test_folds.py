"""A run over folds, with trainings that only return numbers."""

import math
from contextlib import contextmanager

import pytest
from hydra_async_sweeper import NUM_STEPS, SECONDS, TrialPruned
from hydra_async_sweeper.trial import NullTrial

from densenet_sweep.run.folds import FOLD_VALUES, FoldedRun
from densenet_sweep.run.of_classes import CLASSES
from densenet_sweep.run.recording import Job
from densenet_sweep.training import checkpoint

VALUES = (0.5, 0.7, 0.9)


class Trial(NullTrial):
    """Keeps its reports; prunes after `prunes_after` folds."""

    number = 3

    def __init__(self, prunes_after=math.inf):
        self.reports, self.notes, self.prunes_after = {}, {}, prunes_after

    def report(self, value, step):
        self.reports[step] = value

    def annotate(self, key, value, *, is_copied=True):  # noqa: ARG002
        self.notes[key] = value

    def should_prune(self):
        return len(self.reports) >= self.prunes_after


class Record:
    """Keeps metrics by step."""

    run_id, last_step = "run", 0

    def __init__(self):
        self.metrics = {}
        self.is_open = False

    def epoch(self, metrics, *, step):
        for name, value in metrics.items():
            self.metrics[name, step] = value


@pytest.fixture
def record():
    return Record()


@pytest.fixture
def begin(tmp_path, record):
    """Return a run over three folds that continues from its folder."""

    def run(trial):
        @contextmanager
        def open_record(job, num_parameters):
            assert (job.output_dir, num_parameters) == (tmp_path, 7)
            assert not record.is_open
            record.is_open = True
            try:
                yield record
            finally:
                record.is_open = False

        path = tmp_path / "last.pt"
        last = checkpoint.load(path) if path.exists() else {}
        parts = {"num_folds": 3, "num_images": 30, "objectives": ["valid_accuracy"], "same": {}, "config": "seed: 0\n"}
        return FoldedRun(trial, Job(tmp_path, {}, ()), open_record, last=last, **parts)

    return run


def training(fold):
    """Train two epochs of two seconds each."""
    before = fold.trial.passed_seconds
    with fold.open_record(fold.job, 7) as record:
        fold.job.output_dir.mkdir()
        for epoch in (1, 2):
            metrics = {"valid_accuracy": VALUES[fold.number - 1] * epoch / 2, "valid_accuracy_sd": 0.1, "lr": 0.1}
            record.epoch({**metrics, "valid_recall/cats": 0.3}, step=epoch)
            fold.trial.annotate(NUM_STEPS, 2)
            fold.trial.annotate(SECONDS, before + 2 * epoch)
            fold.trial.report(metrics["valid_accuracy"], step=epoch)
            assert not fold.trial.should_prune()
        fold.trial.annotate(CLASSES, [{"class": "cats", "num_images": 5, "recall": VALUES[fold.number - 1], "threshold": 0.2}])
    return {**metrics, "epoch": 2, "total_seconds": before + 4, "num_parameters": 7}


def test_a_trial_reports_folds_and_its_value_is_their_mean(begin, record, tmp_path):
    trial = Trial()
    means = begin(trial).train(training)
    assert trial.reports == dict(enumerate(VALUES, 1))
    assert means["valid_accuracy"] == pytest.approx(0.7)
    assert means["total_seconds"] == 12
    table = trial.notes.pop(CLASSES)
    assert trial.notes == {NUM_STEPS: 3, "num_valid": 30, FOLD_VALUES: list(VALUES), SECONDS: 12}
    assert table == [{"class": "cats", "num_images": 15, "recall": pytest.approx(0.7)}]
    assert [record.metrics["valid_recall/cats", step] for step in (1, 2, 3)] == pytest.approx([0.5, 0.6, 0.7])
    assert not list(tmp_path.glob("fold-*"))
    assert (tmp_path / "artifacts" / "config.yaml").read_text() == "seed: 0\n"
    assert record.metrics["fold_2_valid_accuracy", 1] == 0.35
    assert [record.metrics["valid_accuracy", step] for step in (1, 2, 3)] == pytest.approx([0.5, 0.6, 0.7])
    assert record.metrics["valid_accuracy_se", 3] == pytest.approx(0.2 / math.sqrt(3))
    assert {name for name, _ in record.metrics if name.startswith("fold_1")} == {"fold_1_valid_accuracy"}
    assert not record.is_open


def test_a_pruned_trial_stops_after_a_fold(begin, record):
    trial = Trial(prunes_after=2)
    with pytest.raises(TrialPruned, match="after fold 2 of 3"):
        begin(trial).train(training)
    assert list(trial.reports) == [1, 2]
    assert not record.is_open


def test_after_an_interruption_the_folds_that_have_ended_are_not_trained_again(begin, tmp_path, record):
    def interrupted(fold):
        if fold.number == 2:
            fold.job.output_dir.mkdir()
            raise KeyboardInterrupt
        return training(fold)

    with pytest.raises(KeyboardInterrupt):
        begin(Trial()).train(interrupted)
    assert (tmp_path / "fold-2").is_dir()  # its checkpoint is in there
    (tmp_path / "fold-2").rmdir()
    trained = []
    trial = Trial()
    record.metrics.clear()
    means = begin(trial).train(lambda fold: trained.append(fold.number) or training(fold))
    assert trained == [2, 3]
    assert trial.reports == dict(enumerate(VALUES, 1))
    assert means["total_seconds"] == 12
    for name in ("valid_accuracy", "valid_recall/cats"):
        assert [record.metrics[name, step] for step in (1, 2, 3)] == pytest.approx([0.5, 0.6, 0.7])
    assert begin(Trial()).train(training)["valid_accuracy"] == pytest.approx(0.7)  # with nothing left to train


def test_a_trial_that_fails_leaves_no_weights(begin, tmp_path):
    def failing(fold):
        (fold.job.output_dir / "artifacts").mkdir(parents=True)
        raise ArithmeticError("diverged")

    with pytest.raises(ArithmeticError):
        begin(Trial()).train(failing)
    assert not list(tmp_path.glob("fold-*"))
