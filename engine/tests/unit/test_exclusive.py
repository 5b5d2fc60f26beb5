import time
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from hydra_async_sweeper.study import exclusive as module
from hydra_async_sweeper.study.exclusive import exclusive, is_lock
from hydra_async_sweeper.study.storage import open_storage


@pytest.fixture(params=[None, "sqlite", "grpc"])
def storages(request, tmp_path):
    """Four connections of their own to one storage."""
    if request.param != "grpc":
        yield [open_storage(request.param, tmp_path) for _ in range(4)]
        return
    from optuna.storages._grpc.server import make_server

    server = make_server(open_storage("sqlite", tmp_path), "127.0.0.1", 0)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    connected = [open_storage(f"grpc://127.0.0.1:{port}", tmp_path) for _ in range(4)]
    yield connected
    for storage in connected:
        storage.close()
    server.stop(None)


def test_one_at_a_time(storages):
    inside = []

    def enter(storage):
        with exclusive(storage, "study"):
            inside.append("in")
            time.sleep(0.02)
            inside.append("out")

    with ThreadPoolExecutor(len(storages)) as threads:
        list(threads.map(enter, storages))
    assert inside == ["in", "out"] * len(storages)
    assert storages[0].get_all_studies() == []


def test_two_studies_do_not_wait_for_each_other(storages):
    with exclusive(storages[0], "one"), exclusive(storages[1], "other"):
        assert all(is_lock(study.study_name) for study in storages[0].get_all_studies())


def test_a_lock_is_released_after_an_error(storages):
    with pytest.raises(OSError, match="full"), exclusive(storages[0], "study"):
        raise OSError("full")
    with exclusive(storages[1], "study"):
        pass


def test_the_lock_of_a_dead_process_is_released(storages, monkeypatch, caplog):
    monkeypatch.setattr(module, "_LOOKS", 3)
    monkeypatch.setattr(module, "_LOOKS_IN_SILENCE", 2)
    storages[0].create_new_study([optuna.study.StudyDirection.MINIMIZE], "study (locked)")
    with caplog.at_level("INFO"), exclusive(storages[1], "study"):
        waited, released = caplog.messages
    assert waited.startswith("waiting for another process that has locked the study")
    assert "locked by a process that is gone" in released
    assert storages[0].get_all_studies() == []


def test_a_lock_that_was_released_for_a_silent_holder_stays_the_other_ones(storages, monkeypatch):
    monkeypatch.setattr(module, "_LOOKS", 3)
    first = exclusive(storages[0], "study")
    first.__enter__()
    with exclusive(storages[1], "study"):
        first.__exit__(None, None, None)
        assert [is_lock(study.study_name) for study in storages[2].get_all_studies()] == [True]
