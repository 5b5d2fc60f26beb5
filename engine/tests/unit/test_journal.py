import json

import optuna
import pytest
from hydra_async_sweeper.study.storage import open_storage


@pytest.mark.parametrize("torn", [b'{"op_code":4,"worker_id":"abc', b"{", b'{"op_code":4}' * 1000])
def test_a_torn_last_line_is_dropped_and_nothing_else(tmp_path, torn):
    study = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s")
    study.tell(study.ask(), 1.0)
    path = tmp_path / "study.journal"
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    # One process that had the journal open, and one that opens it now.
    study.tell(study.ask(), 2.0)
    again = optuna.load_study(storage=open_storage(None, tmp_path), study_name="s")
    again.tell(again.ask(), 3.0)
    assert [trial.value for trial in again.trials] == [1.0, 2.0, 3.0]
    assert path.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_a_journal_that_is_whole_is_only_appended_to(tmp_path):
    study = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s")
    before = (tmp_path / "study.journal").read_bytes()
    study.ask()
    assert (tmp_path / "study.journal").read_bytes().startswith(before)
    assert len((tmp_path / "study.journal").read_bytes()) > len(before)
