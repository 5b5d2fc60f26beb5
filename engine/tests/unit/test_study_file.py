import re

import optuna
import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study import study_file
from hydra_async_sweeper.study.storage import open_storage

FILES = {None: "study.journal", "sqlite": "study.db"}


@pytest.fixture(params=FILES)
def storage(request):
    return request.param


@pytest.fixture
def folder(tmp_path, storage):
    """A sweep's folder with two trials."""
    study = optuna.create_study(storage=open_storage(storage, tmp_path), study_name="mine")
    for number in range(2):
        study.tell(study.ask(), 1.0)
        (tmp_path / str(number)).mkdir()
    study_file.write(tmp_path, study, storage=storage, n_trials=2, command="x")
    return tmp_path


def check(folder, storage, name="mine"):
    study_file.check_file(folder, storage)
    study_file.check_trials(folder, name, open_storage(storage, folder), storage)


def test_a_whole_study_is_continued(folder, storage):
    check(folder, storage)
    assert len(study_file.read(folder).load().trials) == 2


@pytest.mark.parametrize(("lose", "what"), [("unlink", "has gone"), ("empty", "is empty")])
def test_a_lost_file_is_refused_and_not_made_anew(folder, storage, lose, what):
    path = folder / FILES[storage]
    path.unlink()
    if lose == "empty":
        path.touch()
    message = (
        f"{path}: {what}, but {folder}/study.yaml describes a study whose trial 1 has a folder there; "
        "put a copy of it in its place, or move its folder away to begin anew"
    )
    with pytest.raises(SweepError, match=f"^{re.escape(message)}$"):
        check(folder, storage)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {what}, and with it the study mine')}$"):
        study_file.read(folder).load()
    assert path.exists() == (lose == "empty")


def test_a_file_without_trials_of_the_folder_is_refused(folder, storage):
    (folder / "2").mkdir()
    with pytest.raises(SweepError, match=rf"{FILES[storage]}: holds 2 trials of the study mine, but .*/study\.yaml describes"):
        check(folder, storage)
    with pytest.raises(
        SweepError, match=rf"{FILES[storage]}: holds no trial of the study other, but .* another hydra\.sweep\.dir$"
    ):
        check(folder, storage, "other")


def test_a_folder_without_trials_can_begin_anew(folder, storage):
    for number in range(2):
        (folder / str(number)).rmdir()
    (folder / FILES[storage]).unlink()
    check(folder, storage)


def test_a_damaged_database_is_named(tmp_path):
    (tmp_path / "study.db").write_bytes(b"garbage" * 1000)
    with pytest.raises(
        SweepError, match=rf"^{re.escape(str(tmp_path))}/study\.db: is damaged \(file is not a database\); put a copy"
    ):
        open_storage("sqlite", tmp_path)


def test_a_database_that_is_damaged_inside_is_named(tmp_path):
    study = optuna.create_study(storage=open_storage("sqlite", tmp_path), study_name="mine")
    study.tell(study.ask(), 1.0)
    path = tmp_path / "study.db"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(SweepError, match=r"study\.db: is damaged \(database disk image is malformed\); put a copy"):
        optuna.load_study(storage=open_storage("sqlite", tmp_path), study_name="mine")
