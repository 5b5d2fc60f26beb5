"""A training run as its record shows it: name, parameters, tags, and what became of it.

Knows no tracker: `open_record` is whatever the config names.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from densenet_sweep.config import Config
from densenet_sweep.config_file import flat, shown
from densenet_sweep.sweep import TrialLost, TrialPruned, current_trial
from densenet_sweep.tracking.provenance import provenance_tags
from densenet_sweep.tracking.record import Record, State


@dataclass(frozen=True)
class Job:
    """What a run is told besides its config: where to write, what the user typed and chose, and what it is for.

    A `final` run trains on the training and the validation images together, and reads the test set once, after its last epoch.
    `name` is that of its record, where its trial or its network does not give it one, and `tags` are kept with it.
    """

    output_dir: Path
    choices: Mapping[str, str]
    overrides: Sequence[str]
    final: bool = False
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def recorded(
    open_record: Callable[..., Record],
    config: Config,
    job: Job,
    *,
    run_id: str | None,
    device: torch.device,
    dtype: torch.dtype,
) -> Iterator[Record]:
    """Yield the run's record and close it with what became of the run, artifacts first.

    Args:
        open_record: see `densenet_sweep.tracking.mlflow_record.open_record`, without the tracker's own settings.
        config: of the run.
        job: of the run.
        run_id: of the record that is continued.
        device: that trains.
        dtype: of the forward pass.
    """
    trial = current_trial()
    tags = {
        **provenance_tags(device),
        "precision": str(dtype).removeprefix("torch."),
        "overrides": " ".join(job.overrides),
        **job.tags,
    }
    name = f"{job.choices.get('architecture', 'network')} on {job.choices.get('data', 'data')}"
    if trial.number is not None:
        name = f"trial {trial.number}"
        tags["trial.number"] = str(trial.number)
    if job.final:
        tags["final"] = "true"
    record = open_record(
        name=job.name or name,
        parameters={**job.choices, **flat(shown(config))},
        tags=tags,
        study_name=trial.study_name,
        run_id=run_id,
    )
    state: State | Literal["lost"] = "failed"
    reason: str | None = None
    try:
        yield record
        state = "complete"
    except TrialPruned as pruned:
        state, reason = "pruned", str(pruned)
        raise
    except TrialLost:
        state = "lost"
        raise
    except KeyboardInterrupt:
        state, reason = "interrupted", "stopped by the user"
        raise
    except SystemExit:  # submitit's way to leave a job that Slurm preempts or whose time is over
        state, reason = "interrupted", "its job was taken off the machine"
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise
    finally:
        if state in ("complete", "pruned"):
            record.artifacts(job.output_dir / "artifacts")
            if trial.number is not None:  # a finished trial is never continued, and a study has many
                (job.output_dir / "last.pt").unlink(missing_ok=True)
        if state != "lost":  # the run is another worker's by now
            record.finish(state, reason)
