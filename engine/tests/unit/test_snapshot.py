import pickle
from pathlib import Path

import optuna
import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study import snapshot
from hydra_async_sweeper.study.storage import open_storage
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

SPACE = {"x": FloatDistribution(0, 1), "n": IntDistribution(1, 9), "c": CategoricalDistribution(["a", None, 1])}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a journal and its snapshot."""
    monkeypatch.setattr(snapshot, "LINES", 10)
    study = optuna.create_study(study_name="s", storage=open_storage(None, tmp_path))
    for _ in range(3):
        trial = study.ask(SPACE)
        trial.report(0.5, 1)
        study.tell(trial, 1.0)
    study.ask(SPACE).set_user_attr("left", "running")
    open_storage(None, tmp_path)
    assert (tmp_path / "study.journal.snapshot").is_file()
    return tmp_path


def opened(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name="s", storage=open_storage(None, folder))


def read_from(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of lines that each journal opened from now on began with."""
    found: list[int] = []
    load = snapshot.load

    def noted(journal: Path) -> snapshot.Snapshot | None:
        result = load(journal)
        found.append(0 if result is None else result.num_lines)
        return result

    monkeypatch.setattr(snapshot, "load", noted)
    return found


def test_a_journal_that_is_opened_from_its_snapshot_is_the_same_and_is_continued(folder, monkeypatch):
    wanted = opened(folder).trials
    later = opened(folder)
    later.tell(3, 2.0)
    num_lines = read_from(monkeypatch)
    study = opened(folder)
    assert num_lines[0] > 20
    assert study.trials[:3] == wanted[:3]
    assert study.trials[3].user_attrs == {"left": "running"}
    assert study.trials[3].value == 2.0
    assert study.ask(SPACE).number == 4
    (folder / "study.journal.snapshot").unlink()
    assert opened(folder).trials == study.trials


def test_a_snapshot_of_another_journal_is_ignored(folder, monkeypatch):
    kept = (folder / "study.journal.snapshot").read_bytes()
    (folder / "study.journal").unlink()
    study = optuna.create_study(study_name="s", storage=open_storage(None, folder))
    study.tell(study.ask(), 7.0)
    (folder / "study.journal.snapshot").write_bytes(kept)
    num_lines = read_from(monkeypatch)
    assert [trial.value for trial in opened(folder).trials] == [7.0]
    assert num_lines == [0]


def test_damage_before_the_end_of_the_snapshot_is_named(folder):
    path = folder / "study.journal"
    lines = path.read_bytes().splitlines()
    lines[4] = b"garbage"
    path.write_bytes(b"\n".join([*lines, b""]))
    with pytest.raises(SweepError, match="line 5 is damaged"):
        open_storage(None, folder)


class Trap:
    def __reduce__(self):
        return (print, ("trap",))


@pytest.mark.parametrize("content", [b"", b"17\n", pickle.dumps(Trap()), b"cut"])
def test_nothing_but_optunas_records_is_unpickled(folder, capsys, content):
    path = folder / "study.journal.snapshot"
    head = path.read_bytes().split(b"\n", 1)[0] + b"\n"
    path.write_bytes(content if content in (b"", b"17\n") else head + content)
    assert len(opened(folder).trials) == 4
    assert capsys.readouterr().out == ""


def test_a_journal_whose_snapshot_cannot_be_written_opens_without_one(folder):
    (folder / "study.journal.snapshot").unlink()
    (folder / "study.journal.snapshot").mkdir()
    assert len(opened(folder).trials) == 4
    assert {path.name for path in folder.iterdir()} == {"study.journal", "study.journal.snapshot"}
