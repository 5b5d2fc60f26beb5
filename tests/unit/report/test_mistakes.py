"""Whose mistakes the report shows."""

from types import SimpleNamespace

from densenet_sweep.report import mistakes
from densenet_sweep.results import ranking
from densenet_sweep.results.from_optuna import read_study


def drawn(folder, number: int) -> None:
    (folder / str(number) / "artifacts").mkdir(parents=True)
    (folder / str(number) / "artifacts" / "mistakes.png").write_bytes(b"%d" % number)


def test_they_are_the_best_trials_and_the_champions(swept, tmp_path, monkeypatch):
    study = read_study(swept(12))
    sweep, confirmation = tmp_path / "sweep", tmp_path / "confirmation"
    best = ranking.rows(study)[0].number
    assert mistakes.of_study(study, sweep) == []
    for number in range(12):
        drawn(sweep, number)
    drawn(confirmation, 5)
    finalists = object()
    winner = SimpleNamespace(finalist=SimpleNamespace(trial=7), trials={1001: 5, 1002: 6})
    verdict = SimpleNamespace(finalists=finalists, champion=1, results=[None, winner])
    found = [SimpleNamespace(name="c", folder=confirmation), SimpleNamespace(name="made up", folder=sweep)]
    monkeypatch.setattr(mistakes.studies, "found", lambda _: found)
    monkeypatch.setattr(mistakes.finalists, "read", lambda folder: finalists if folder == confirmation else None)
    shown = mistakes.all_of(study, [verdict])
    assert [(it.title, it.still) for it in shown] == [
        ("What the champion, trial 7, got wrong with seed 1001: test pictures", b"5"),
        (f"What trial {best} got wrong: validation pictures", b"%d" % best),
    ]
    verdict.champion = None
    assert len(mistakes.all_of(study, [verdict])) == 1
