"""What every storage of a study promises, seen through two connections as two workers have them."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from hydra_async_sweeper.study.storage import open_storage
from hydra_async_sweeper.workers.lease import Lease
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage
from optuna.trial import TrialState

SPACE = {
    "optimizer": CategoricalDistribution(["sgd", "adamw"]),
    "architecture.depth": IntDistribution(10, 40, step=6),
    "optimizer.lr": FloatDistribution(0.01, 1, log=True),
}

Connect = Callable[[], BaseStorage]


@pytest.fixture(params=["journal", "sqlite", pytest.param("postgres", marks=pytest.mark.real("postgres")), "grpc"])
def connect(request: pytest.FixtureRequest, tmp_path) -> Iterator[Connect]:
    """Open a further connection to one storage."""
    url = request.param
    if url in ("postgres", "grpc"):
        url = request.getfixturevalue(f"{url}_url")
    opened: list[BaseStorage] = []

    def one_more() -> BaseStorage:
        opened.append(open_storage(url, tmp_path))
        return opened[-1]

    yield one_more
    for storage in opened:
        storage.remove_session()
        engine = getattr(getattr(storage, "_backend", storage), "engine", None)  # Optuna's cache before a database has none
        if engine is not None:
            engine.dispose()


@pytest.fixture
def study(connect: Connect) -> optuna.Study:
    return optuna.create_study(study_name="mine", storage=connect(), direction="maximize")


@pytest.fixture
def beside(connect: Connect, study: optuna.Study) -> optuna.Study:
    """The same study as another worker sees it."""
    return optuna.load_study(study_name=study.study_name, storage=connect())


def test_the_other_sees_all_that_was_written(study, beside):
    study.set_user_attr("config", {"epochs": 3, "betas": [0.9, 0.99], "decay": None})
    trial = study.ask(SPACE)
    trial.report(0.5, 1)
    trial.report(float("inf"), 2)
    trial.set_user_attr("note", 'a "quoted" ü \n line')
    study.tell(trial, 0.25)
    (seen,) = beside.get_trials()
    assert (seen.state, seen.values, seen.params) == (TrialState.COMPLETE, [0.25], trial.params)
    assert seen.distributions == SPACE
    assert seen.intermediate_values == {1: 0.5, 2: float("inf")}
    assert seen.user_attrs["note"] == 'a "quoted" ü \n line'
    assert beside.user_attrs["config"] == {"epochs": 3, "betas": [0.9, 0.99], "decay": None}
    assert beside.directions == [optuna.study.StudyDirection.MAXIMIZE]


def test_numbers_have_no_gap_and_no_double_whoever_asks(study, beside):
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(lambda it=it: [it.ask(SPACE).number for _ in range(10)]) for it in (study, beside)]
        numbers = [number for one in done for number in one.result()]
    assert sorted(numbers) == list(range(20))


def test_a_trial_in_the_queue_is_one_workers(study, beside):
    """Optuna alone hands one out twice now and then, behind its proxy; the lease decides."""
    for _ in range(5):
        study.enqueue_trial({"optimizer": "adamw"})
    begin = threading.Barrier(2)

    def taken(worker: optuna.Study) -> list[Lease]:
        begin.wait()
        leases = [Lease.take(worker, worker.ask(SPACE)._trial_id, 60.0) for _ in range(5)]
        return [lease for lease in leases if lease is not None]

    with ThreadPoolExecutor(2) as pool:
        leases = [lease for one in pool.map(taken, (study, beside)) for lease in one]
    numbers = [lease.number for lease in leases]
    assert set(range(5)) <= set(numbers)
    assert len(numbers) == len(set(numbers))
    for lease in leases:
        lease.release()


def test_what_is_finished_stays_so(study, beside):
    trial = study.ask(SPACE)
    study.tell(trial, state=TrialState.PRUNED)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        beside._storage.set_trial_user_attr(beside.get_trials()[0]._trial_id, "late", 1)
    assert "late" not in study.get_trials()[0].user_attrs


def test_of_two_who_reclaim_a_trial_one_succeeds(study, beside):
    asked_trial = study.ask(SPACE)
    dead = Lease.take(study, asked_trial._trial_id, 60.0)
    assert dead is not None
    dead._released.set()  # its worker writes no more
    seen = [study.get_trials()[0], beside.get_trials()[0]]
    begin = threading.Barrier(2)

    def reclaim(worker: optuna.Study, trial: optuna.trial.FrozenTrial) -> Lease | None:
        begin.wait()
        return Lease.succeed(worker, trial, 60.0)

    with ThreadPoolExecutor(2) as pool:
        leases = [lease for lease in pool.map(reclaim, (study, beside), seen) if lease is not None]
    assert len(leases) == 1
    assert not dead.is_held()
    assert leases[0].attempt == 1
    leases[0].release()
