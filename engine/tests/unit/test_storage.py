import os
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study import retry, storage
from hydra_async_sweeper.study.passwords import check_password, redacted, revealed
from hydra_async_sweeper.study.storage import open_storage
from optuna.trial import TrialState

URL = "postgresql://me:secret@host/db"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("postgresql+psycopg://me:se@cret@host:5432/db", "postgresql+psycopg://me:***@host:5432/db"),
        ("sqlite:///study.db", "sqlite:///study.db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
    ],
)
def test_passwords_are_not_shown(url, shown):
    assert redacted(url) == shown


def test_an_unreachable_storage_is_named_without_its_password(tmp_path):
    with pytest.raises(SweepError, match=r"^hydra\.sweeper\.storage=sqlite:////nonexistent/x\.db: cannot be used"):
        open_storage("sqlite:////nonexistent/x.db", tmp_path)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        *[(url, url) for url in ("study.db", "", "sqlite:study.db", "sqlite3:///study.db", "redis://host", "grpc://host:port")],
        ("postgres://me:secret@host/db", "postgres://me:***@host/db"),
        ("postgresql://me:secret@host:port/db", "postgresql://me:***@host:port/db"),
    ],
)
def test_what_is_no_url_of_a_storage_is_refused_with_what_is(tmp_path, url, shown):
    accepted = "journal, sqlite, journal:PATH, grpc://HOST:PORT or a database URL is accepted, such as postgresql+psycopg://"
    with pytest.raises(SweepError, match=re.escape(f"hydra.sweeper.storage={shown}: {accepted}")):
        open_storage(url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_journal_elsewhere_that_cannot_be_made_is_named_with_its_key(tmp_path):
    with pytest.raises(SweepError, match=rf"^hydra\.sweeper\.storage=journal:{tmp_path}: {tmp_path}: Is a directory$"):
        open_storage(f"journal:{tmp_path}", tmp_path / "sweep")


def test_a_database_that_may_only_be_read_is_named(tmp_path):
    url = f"sqlite:///{tmp_path}/x.db"
    for address, make in ((url, True), (f"sqlite:///file:{tmp_path}/x.db?mode=ro&uri=true", False)):
        storage = open_storage(address, tmp_path)
        if make:
            optuna.create_study(storage=storage, study_name="s")
        else:
            assert optuna.load_study(storage=storage, study_name="s").trials == []
            with pytest.raises(
                SweepError, match=r"x\.db\?mode=ro&uri=true: cannot be written \(attempt to write a readonly data"
            ):
                optuna.create_study(storage=storage, study_name="other")
        storage.remove_session()
        storage._backend.engine.dispose()


def test_a_database_in_the_sweeps_folder_needs_no_folder_before(tmp_path):
    open_storage(f"sqlite:///{tmp_path}/sweep/kept/x.db", tmp_path / "sweep")
    assert (tmp_path / "sweep" / "kept" / "x.db").is_file()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_that_no_other_process_sees_is_refused(tmp_path, url):
    with pytest.raises(
        SweepError, match=rf"^hydra\.sweeper\.storage={url}: is in the memory of one process; sqlite:///FILE is"
    ):
        open_storage(url, tmp_path)


@pytest.mark.parametrize(("url", "file"), [(None, "study.journal"), ("journal", "study.journal"), ("sqlite", "study.db")])
def test_a_file_in_the_sweeps_folder(tmp_path, url, file):
    storage = open_storage(url, tmp_path / "sweep")
    optuna.create_study(storage=storage, study_name="s")
    assert (tmp_path / "sweep" / file).is_file()
    storage.remove_session()
    if url == "sqlite":
        storage._backend.engine.dispose()


@pytest.mark.parametrize("folder", ["100%25 of a?b #ü{x}'&", "p%20q"])
def test_a_file_in_a_folder_whose_name_means_something_in_a_url(tmp_path, folder):
    storage = open_storage("sqlite", tmp_path / folder)
    optuna.create_study(storage=storage, study_name="s")
    assert list(tmp_path.iterdir()) == [tmp_path / folder]
    assert list((tmp_path / folder).iterdir()) == [tmp_path / folder / "study.db"]
    storage.remove_session()
    storage._backend.engine.dispose()


def test_a_database_keeps_what_it_has_read(tmp_path):
    storage = open_storage("sqlite", tmp_path)
    study = optuna.create_study(storage=storage, study_name="s")
    assert optuna.load_study(storage=storage, study_name="s")._storage is study._storage
    storage.remove_session()
    storage._backend.engine.dispose()


def test_a_password_comes_from_the_environment_alone(monkeypatch):
    with pytest.raises(
        SweepError, match=r"storage=postgresql://me:\*\*\*@host/db: a password is taken from the environment"
    ) as caught:
        check_password(URL)
    assert "secret" not in str(caught.value)
    with pytest.raises(SweepError, match=r"no variable of the environment holds this URL"):
        revealed(redacted(URL))
    monkeypatch.setenv("WHEREVER", URL)
    check_password(URL)
    assert revealed(redacted(URL)) == URL


@pytest.mark.parametrize("url", [None, "journal", "sqlite:///a.db", "postgresql://me@host/db", "grpc://host:1"])
def test_what_has_no_password_may_stand_anywhere(url):
    check_password(url)


def test_a_proxy_that_does_not_answer_is_named(tmp_path):
    with pytest.raises(
        SweepError, match=r"storage=grpc://127\.0\.0\.1:9: nobody answers there; python -m hydra_async_sweeper\.serve"
    ):
        open_storage("grpc://127.0.0.1:9", tmp_path)


def at_once(count, action):
    """Return what `action` returns in each of `count` threads that begin it at the same moment."""
    barrier = threading.Barrier(count)

    def begin(number):
        barrier.wait()
        return action(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(begin, range(count)))


def test_several_that_make_one_new_database_at_once_all_open_it(tmp_path):
    for turn in range(3):  # one of two tries failed
        storages = at_once(5, lambda _: open_storage("sqlite", tmp_path / str(turn)))  # noqa: B023 - runs now
        assert [it.get_all_studies() for it in storages] == [[]] * 5


def test_of_several_workers_one_takes_a_trial_of_the_queue(tmp_path):
    storages = [open_storage("sqlite", tmp_path) for _ in range(5)]
    study = optuna.create_study(storage=storages[0], study_name="s")
    for number in range(12):
        study.enqueue_trial({"x": number})
        waiting = study.get_trials(deepcopy=False)[-1]._trial_id
        taken = at_once(5, lambda it: storages[it].set_trial_state_values(waiting, TrialState.RUNNING))  # noqa: B023 - runs now
        assert sorted(taken) == [False] * 4 + [True]


def test_a_worker_waits_for_a_storage_that_does_not_answer_when_it_begins(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry.Outage, "ended", 0.0)  # put back afterwards
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"postgresql+psycopg://me@127.0.0.1:{taken.getsockname()[1]}/db"
    answers = iter([url, url, None])  # two tries at a port where nobody listens, then a journal
    real = storage.open_storage
    monkeypatch.setattr(storage, "open_storage", lambda _, folder: real(next(answers), folder))
    assert storage.wait_for_storage(url, tmp_path).get_all_studies() == []
    assert [record.message.partition(" after")[0] for record in caplog.records] == [
        "the study's storage does not answer (Connection refused); waiting for it",
        "the study's storage is back",
    ]


@pytest.mark.parametrize("excepted", [None, "elsewhere"])
def test_an_http_proxy_is_not_asked_for_a_host_of_this_machine(monkeypatch, free_port, excepted):
    import grpc

    for name in ("NO_PROXY", "no_grpc_proxy"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("no_proxy", excepted or "")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        storage._proxy(f"grpc://localhost:{port}").close()
    finally:
        server.stop(None)
    assert os.environ[storage._EXEMPT[0]] == ("localhost" if excepted is None else "elsewhere,localhost")


def test_an_http_proxy_is_asked_for_other_hosts(monkeypatch):
    monkeypatch.setenv("no_grpc_proxy", "here")
    storage._reach_directly("there")
    assert os.environ[storage._EXEMPT[0]] == "here"
