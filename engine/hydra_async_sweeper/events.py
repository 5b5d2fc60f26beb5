"""Engine events for the application's Hydra callbacks, beyond Hydra's own.

Each event calls the method of that name on every callback in `hydra.callbacks` that has it, in the process where it happens:

- `on_config_check(config)`: before a study is opened, with the composed config, `hydra` included, of possible trials: each
  choice, both ends of each range, each enqueued configuration. An exception refuses the sweep;
- `on_worker_memory(config)`: after these checks, with the composed config of a trial; returns a list with the bytes of memory
  that a worker takes. Without GPUs `hydra/launcher=local` starts as many workers as there is memory for;
- `on_dry_run(config, study_name, sweep_dir, examples, foresee, num_workers)`: after the checks of `hydra.sweeper.dry_run=true`,
  which ends there: `examples` are composed configs of possible trials, `foresee(n_trials=, num_steps=, rungs=)` returns a
  `hydra_async_sweeper.study.forecast.Forecast`, and `num_workers` is how many would run at a time. An exception refuses it;
- `on_sweep_start(config)`: after all checks, while the study is about to be opened; the modules whose names it returns are
  imported meanwhile by the workers of `hydra/launcher=local`, which start early for them. One that fails to import is left to
  the first trial;
- `on_study_open(config, study_name, study_id, sweep_dir, command)`: once per start, after all checks and before any worker;
  `command` is what was typed;
- `on_trial_end(config, study_name, study_id, sweep_dir, number, state, reason, best, folders)`: after each trial (`state` is
  complete, pruned or failed), also one whose worker died; and when a dead worker's trial goes back into the queue
  (interrupted);
- `on_queue_empty(config, study_name, sweep_dir)`: in a worker of a sweep with `repeats`, within its budget, when all that was
  enqueued has ended; the configurations that it returns, as those of `enqueue`, are run, unless the study has them already;
- `on_study_end(config, study_name, study_id, sweep_dir, reason, outcome, states, best, folders)`: when the workers have
  stopped; `reason` says why, `outcome` is finished, failed (too many trials did, or an error) or interrupted, and `states`
  maps the number of each trial that is not running to its state and reason.

`study_id` tells the study from others of its name, in other storages; None for one of 0.1.

`best` lists the numbers of the complete trials, best first; it is empty for repetitions. A trial's folder below
`sweep_dir` is its number; `folders` has those that `hydra.sweep.subdir` names otherwise.
"""

import logging
from typing import Any, Literal

from hydra.types import HydraContext

from hydra_async_sweeper.errors import SweepError

log = logging.getLogger("hydra_async_sweeper")

Outcome = Literal["finished", "failed", "interrupted"]


def consult(context: HydraContext, event: str, **arguments: Any) -> None:
    """Call `event` on each callback that has it.

    Raises:
        Exception: what one of them raises.
    """
    for callback in context.callbacks.callbacks:
        listener = getattr(callback, event, None)
        if listener is not None:
            listener(**arguments)


def collect(context: HydraContext, event: str, **arguments: Any) -> list[Any]:
    """Call `event` on each callback that has it, and return all entries of the lists that they return.

    Raises:
        Exception: what one of them raises.
    """
    listeners = [getattr(callback, event, None) for callback in context.callbacks.callbacks]
    return [entry for listener in listeners if listener is not None for entry in listener(**arguments) or []]


def emit(context: HydraContext, event: str, **arguments: Any) -> None:
    """Call `event` on each callback that has it; one that raises is logged as a warning, as with Hydra's own events.

    Raises:
        SweepError: a callback refuses the sweep.
    """
    for callback in context.callbacks.callbacks:
        listener = getattr(callback, event, None)
        if listener is None:
            continue
        try:
            listener(**arguments)
        except SweepError:
            raise
        except Exception as error:
            log.warning("%s.%s: %s: %s", type(callback).__name__, event, type(error).__name__, error)
