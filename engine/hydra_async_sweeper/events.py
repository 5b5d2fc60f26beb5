"""What the engine tells the application's Hydra callbacks, beyond Hydra's own events.

A callback in `hydra.callbacks` that defines one of these methods is called, in the process where it happens:

- `on_config_check(config)`: before a study is opened, with the composed config, `hydra` included, of trials as there may be: of
  each choice, of both ends of each range, of each enqueued configuration. What it raises refuses the sweep;
- `on_study_open(config, study_name, sweep_dir, command)`: once a start, after everything was checked, before any worker;
  `command` is what was typed;
- `on_trial_end(config, study_name, sweep_dir, number, state, reason, best)`: after each trial (`state` is complete, pruned or
  failed), also one whose worker had died; and where a dead worker's trial goes back into the queue (interrupted);
- `on_study_end(config, study_name, sweep_dir, reason, states, best)`: when the workers have left; `reason` says why, and
  `states` holds by number what became of each trial that nobody runs any more, and why.

`best` are the numbers of the study's complete trials, best first; none where its trials are repetitions.
"""

import logging
from typing import Any

from hydra.types import HydraContext

from hydra_async_sweeper.errors import SweepError

log = logging.getLogger("hydra_async_sweeper")


def consult(context: HydraContext, event: str, **arguments: Any) -> None:
    """Call `event` on each callback that has it.

    Raises:
        Exception: what one of them raises.
    """
    for callback in context.callbacks.callbacks:
        listener = getattr(callback, event, None)
        if listener is not None:
            listener(**arguments)


def emit(context: HydraContext, event: str, **arguments: Any) -> None:
    """Call `event` on each callback that has it; one that raises costs a warning, as with Hydra's own events.

    Raises:
        SweepError: a callback's way to refuse the sweep.
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
