"""Many processes reclaim and pull the same trials at one moment: `python reclaiming.py STORAGE FOLDER PROCESSES TRIALS`.

Writes as JSON what each of them was the one to do: `[[number, what], ...]`.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import optuna
from hydra_async_sweeper.study.storage import open_storage
from hydra_async_sweeper.trial import LEASE
from hydra_async_sweeper.workers.lease import Lease, Silence, reclaim_dead

FORK = multiprocessing.get_context("fork")


def begin(storage: str, folder: Path, num_trials: int) -> None:
    """Make the study, with running trials whose worker has died."""
    study = optuna.create_study(storage=open_storage(storage, folder), study_name="toy")
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    for _ in range(num_trials):
        trial = study.ask()
        lease = Lease.take(study, trial._trial_id, 60)
        assert lease is not None
        lease.release()
        content = study._storage.get_trial(trial._trial_id).user_attrs[LEASE]
        trial.set_user_attr(LEASE, {**content, "pid": dead.pid})
    end()


def compete(storage: str, folder: Path, barrier: Barrier, results: Any) -> None:
    """Reclaim what was seen dead before anybody had begun, then pull trials until there are none."""
    study = optuna.load_study(storage=open_storage(storage, folder), study_name="toy")
    seen = study.get_trials(deepcopy=False)
    done: list[tuple[int, str]] = []
    barrier.wait()
    reclaim_dead(
        study,
        lease_seconds=60,
        max_retries=2,
        silence=Silence(),
        on_reclaimed=lambda number, state, _: done.append((number, state)),
        seen=seen,
    )
    barrier.wait()
    waiting = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,))
    barrier.wait()
    for trial in waiting:
        study._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.RUNNING)
        if Lease.take(study, trial._trial_id, 60) is not None:
            done.append((trial.number, "pulled"))
    results.put(done)
    results.close()
    results.join_thread()
    barrier.wait()
    end()


def end() -> None:
    """End at once, as a killed process would: a study's connections and threads are of no interest."""
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Begin in one process and compete in the others, so that none inherits another's connections."""
    storage, folder, num_processes, num_trials = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    beginning = FORK.Process(target=begin, args=(storage, folder, num_trials))
    beginning.start()
    beginning.join()
    barrier, results = FORK.Barrier(num_processes), FORK.Queue()
    processes = [FORK.Process(target=compete, args=(storage, folder, barrier, results)) for _ in range(num_processes)]
    for process in processes:
        process.start()
    done = [item for _ in processes for item in results.get(timeout=120)]
    for process in processes:
        process.join()
    sys.stdout.write(json.dumps(sorted(done)))


if __name__ == "__main__":
    main()
