import io
import shutil

import optuna
import pytest
import yaml
from hydra_async_sweeper.study.storage import open_storage
from hydra_async_sweeper.trial import PROMOTED
from optuna.trial import TrialState

FINISHED = {0: TrialState.FAIL, 1: TrialState.COMPLETE, 2: TrialState.PRUNED, 3: TrialState.PRUNED, 4: TrialState.FAIL}


@pytest.fixture
def sweep_dir(tmp_path):
    """The folder of a sweep with finished trials: the running trial 5 continues 3, and 4 has an outbox."""
    folder = tmp_path / "outputs" / "sweeps" / "mine"
    study = optuna.create_study(storage=open_storage(None, folder), study_name="mine", direction="maximize")
    description = {"study_name": "mine", "storage": None, "directions": ["maximize"], "command": "x", "n_trials": 9}
    (folder / "study.yaml").write_text(yaml.safe_dump(description))
    for state in FINISHED.values():
        study.tell(study.ask(), 0.5 if state is TrialState.COMPLETE else None, state=state)
    study.ask().set_user_attr(PROMOTED, {"trial": 3, "step": 1})
    for number in range(6):
        (folder / str(number) / "artifacts").mkdir(parents=True)
        (folder / str(number) / "last.pt").write_bytes(b"x" * 1_500_000)
    (folder / "4" / "mlflow_outbox.json").touch()
    (folder / "elsewhere").mkdir()
    return folder


def left(sweep_dir) -> set[str]:
    return {path.name for path in sweep_dir.iterdir() if path.is_dir()}


EVERYTHING = {"0", "1", "2", "3", "4", "5", "elsewhere"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_failed_and_pruned_trials_that_nobody_needs_are_removed(sweep_dir, command):
    typed = command("clean", "mine", "--yes")
    assert typed.exit_code == 0, typed.err
    assert typed.out.splitlines() == [
        "kept: trial 3, as trial 5 continues it",
        "kept: trial 4, as MLflow has not yet received all of it; the sweep's command sends the rest",
        "study mine: 2 folders with 3.0 MB, of failed trial 0, pruned trial 2",
        "removed 2 folders",
    ]
    assert left(sweep_dir) == EVERYTHING - {"0", "2"}
    assert "no failed or pruned trial has left a folder" in command("clean").out


@pytest.mark.parametrize(
    ("answer", "is_removed"), [("y\n", True), ("YES\n", True), ("\n", False), ("no\n", False), ("", False)]
)
def test_it_asks(sweep_dir, command, monkeypatch, answer, is_removed):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    typed = command("clean", "mine")
    assert ("nothing was removed" not in typed.out) is is_removed
    assert left(sweep_dir) == EVERYTHING - ({"0", "2"} if is_removed else set())


def test_without_anybody_to_ask_nothing_is_removed(sweep_dir, command, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    typed = command("clean", "mine")
    assert (typed.exit_code, typed.err) == (
        1,
        "densenet-sweep: error: clean: nobody can be asked here; --yes removes without asking\n",
    )
    assert left(sweep_dir) == EVERYTHING


def test_a_link_to_another_folder_is_left_alone(sweep_dir, command, tmp_path):
    shutil.move(sweep_dir / "0", tmp_path / "mine")
    (sweep_dir / "0").symlink_to(tmp_path / "mine")
    assert command("clean", "--yes").exit_code == 0
    assert (sweep_dir / "0" / "last.pt").exists()


def test_a_trial_that_is_continued_while_nobody_answers_is_kept(sweep_dir, command, monkeypatch):
    class Slow(Terminal):
        def readline(self, *_: object) -> str:
            study = optuna.load_study(storage=open_storage(None, sweep_dir), study_name="mine")
            study.ask().set_user_attr(PROMOTED, {"trial": 2, "step": 1})
            return "y\n"

    monkeypatch.setattr("sys.stdin", Slow())
    assert "removed 1 folder\n" in command("clean", "mine").out
    assert left(sweep_dir) == EVERYTHING - {"0"}


def test_two_studies_are_one_too_many(command):
    assert "a b: the name of one study is accepted" in command("clean", "a", "b").err
