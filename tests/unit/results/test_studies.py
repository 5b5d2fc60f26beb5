import os
from pathlib import Path

import pytest
import yaml
from hydra_async_sweeper.study.storage import open_storage

from densenet_sweep.results import studies


def described(folder: Path, name: str, *, used: float, storage: str | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(yaml.safe_dump({"study_name": name, "storage": storage}))
    os.utime(folder / "study.yaml", (used, used))
    return folder


@pytest.fixture(autouse=True)
def _nothing_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/no.db")


@pytest.fixture
def outputs(tmp_path):
    described(tmp_path / "sweeps" / "growth", "growth", used=100.0)
    described(tmp_path / "sweeps" / "depth", "depth", used=200.0)
    return tmp_path


def test_nothing_to_find(tmp_path):
    with pytest.raises(
        ValueError, match=rf"^no study in {tmp_path}/none nor in tracking.uri=\S+; densenet-sweep sweep=quickstart makes one$"
    ):
        studies.find(None, outputs=tmp_path / "none")


def test_the_study_used_last_unless_named(outputs):
    assert studies.find(None, outputs=outputs).name == "depth"
    assert studies.find("growth", outputs=outputs) == studies.FoundStudy("growth", outputs / "sweeps" / "growth", None)


def test_a_journal_that_grew_is_a_use(outputs):
    (outputs / "sweeps" / "growth" / "study.journal").touch()
    assert studies.find(None, outputs=outputs).name == "growth"


def test_an_unknown_study_lists_those_that_exist(outputs):
    with pytest.raises(ValueError, match=r"^xyzzy: no such study; there are depth, growth$"):
        studies.find("xyzzy", outputs=outputs)
    with pytest.raises(ValueError, match=r"^grwth: no such study; did you mean growth\?; there are depth, growth$"):
        studies.find("grwth", outputs=outputs)


def test_of_two_with_one_name_the_one_used_last(outputs):
    newer = described(outputs / "elsewhere", "growth", used=300.0)
    assert studies.find("growth", outputs=outputs).folder == newer
    with pytest.raises(ValueError, match=r"there are growth, depth$"):
        studies.find("xyzzy", outputs=outputs)


@pytest.mark.parametrize("text", ["", "- a list\n", "study_name: x\n", "{", "storage: null\n"])
def test_a_damaged_description_is_passed_over(outputs, caplog, text):
    described(outputs / "damaged", "x", used=300.0)
    (outputs / "damaged" / "study.yaml").write_text(text)
    assert {study.name for study in studies.found(outputs)} == {"growth", "depth"}
    assert "damaged/study.yaml: is not the description of a study" in caplog.text


def test_a_study_is_loaded_from_its_journal(outputs):
    import optuna

    folder = outputs / "sweeps" / "growth"
    optuna.create_study(study_name="growth", storage=open_storage(None, folder)).add_trial(optuna.trial.create_trial(value=1.0))
    assert studies.find("growth", outputs=outputs).load().best_value == 1.0


def test_a_journal_that_has_gone_is_not_made(outputs):
    with pytest.raises(ValueError, match=r"growth/study\.journal: has gone, and with it the study growth$"):
        studies.find("growth", outputs=outputs).load()
    assert not (outputs / "sweeps" / "growth" / "study.journal").exists()


def test_a_storage_without_the_study(outputs):
    import optuna

    optuna.create_study(study_name="another", storage=open_storage(None, outputs / "sweeps" / "growth"))
    with pytest.raises(ValueError, match=r"growth: the storage no longer holds the study growth$"):
        studies.find("growth", outputs=outputs).load()


def test_a_trial_is_named_by_its_study_and_number(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "outputs" / "sweeps" / "mine"
    described(folder, "mine", used=1.0)
    import optuna

    study = optuna.create_study(study_name="mine", storage=open_storage(None, folder))
    for attributes in ({"mlflow_run_id": "a" * 32}, {}):
        study.add_trial(optuna.create_trial(value=1.0, user_attrs=attributes))
    uri = f"sqlite:///{tmp_path}/none.db"
    assert studies.named_trial("mine/0").run_id(uri) == "a" * 32
    assert studies.named_trial("mine/1").run_id(uri) is None
    assert not (tmp_path / "none.db").exists()
    assert studies.named_trial("mine/1").artifacts == Path("outputs/sweeps/mine/1/artifacts")
    for name, message in (
        ("mine/2", "^mine/2: the study mine has no trial 2; it has 2 trials, from 0$"),
        ("mine/best", "^mine/best: the study mine has no trial best; it has 2 trials"),
    ):
        with pytest.raises(ValueError, match=message):
            studies.named_trial(name)


def test_files_that_come_and_go_beside_a_study_do_not_matter(outputs):
    folder = outputs / "sweeps" / "growth"
    (folder / "study.journal.lock").symlink_to("its-holder")  # as Optuna makes it; nothing is there
    before = studies.changes(folder)
    assert set(before) == {"study.yaml"}
    assert [study.name for study in studies.found(outputs)] == ["depth", "growth"]
    (folder / "study.journal").touch()
    assert studies.changes(folder) != before
