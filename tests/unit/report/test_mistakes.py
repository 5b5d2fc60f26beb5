"""Whose mistakes the report shows."""

from dataclasses import replace
from types import SimpleNamespace

from densenet_sweep.report import mistakes
from densenet_sweep.results import ranking
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.tracking import kept_files


def drawn(folder, number: int) -> None:
    (folder / str(number) / "artifacts").mkdir(parents=True)
    (folder / str(number) / "artifacts" / "mistakes.png").write_bytes(b"%d" % number)


def test_they_are_the_best_trials_and_the_champions(swept, tmp_path, monkeypatch):
    study = read_study(swept(12))
    sweep, confirmation = tmp_path / "sweep", tmp_path / "confirmation"
    best = ranking.rows(study)[0].number
    assert mistakes.of_study(study, sweep, lambda _: None) == []
    for number in range(12):
        drawn(sweep, number)
    drawn(confirmation, 5)
    finalists = object()
    winner = SimpleNamespace(finalist=SimpleNamespace(trial=7), trials={1001: 5, 1002: 6})
    verdict = SimpleNamespace(finalists=finalists, champion=1, results=[None, winner])
    found = [SimpleNamespace(name="c", folder=confirmation), SimpleNamespace(name="made up", folder=sweep)]
    monkeypatch.setattr(mistakes.studies, "found", lambda _: found)
    monkeypatch.setattr(mistakes.studies, "values_of", lambda _: study)
    monkeypatch.setattr(mistakes.finalists, "read", lambda folder: finalists if folder == confirmation else None)
    shown = mistakes.all_of(study, [verdict], None)
    assert [(it.title, it.still) for it in shown] == [
        ("What the champion, trial 7, got wrong with seed 1001: test pictures", b"5"),
        (f"What trial {best} got wrong: validation pictures", b"%d" % best),
    ]
    verdict.champion = None
    assert len(mistakes.all_of(study, [verdict], None)) == 1


def test_they_come_from_mlflow_where_the_folder_has_gone(swept, tmp_path, monkeypatch, caplog):
    study = read_study(swept(12))
    best = ranking.rows(study)[0].number
    trials = [replace(trial, run_id=f"run {trial.number}") for trial in study.trials]
    study = replace(study, trials=tuple(trials))
    requested = []

    def read(uri, run_id, name):
        requested.append((uri, run_id, name))
        if uri == "dead":
            raise ConnectionError("tracking.uri=dead: cannot be used")
        return b"kept"

    monkeypatch.setattr(kept_files, "read", read)
    for folder in (None, tmp_path):  # without a folder of the study, or of the run
        assert [it.still for it in mistakes.of_study(study, folder, mistakes.from_store("store"))] == [b"kept"]
    assert requested == [("store", f"run {best}", "mistakes.png")] * 2
    dead = mistakes.from_store("dead")
    assert (dead("run 1"), dead("run 2")) == (None, None)
    assert [it for it in caplog.messages if "dead" in it] == [
        "tracking.uri=dead: cannot be used; the report lacks the pictures with the highest loss"
    ]
