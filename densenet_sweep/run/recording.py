"""A training run as its record shows it: name, parameters, tags and outcome.

Independent of the tracker: the config names `open_record`.
"""

import logging
import math
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from hydra_async_sweeper import Trial, TrialLost, TrialPruned, current_trial
from hydra_async_sweeper.application import scrubbed

from densenet_sweep.config import run_config
from densenet_sweep.config.data_sections import DataConfig
from densenet_sweep.config.errors import one_line
from densenet_sweep.config.metrics import on_test
from densenet_sweep.data import labels
from densenet_sweep.data.images import Images
from densenet_sweep.run import naming
from densenet_sweep.run.artifacts import BEST_WEIGHTS, PREVIOUS_CHECKPOINT
from densenet_sweep.run.carried import NONE, Carried
from densenet_sweep.run.progress import log_if_slow
from densenet_sweep.tracking.provenance import provenance_tags
from densenet_sweep.tracking.record import DataUsed, Record, State
from densenet_sweep.tracking.run import TRIAL_NUMBER
from densenet_sweep.tracking.run_note import Description
from densenet_sweep.tracking.store import redacted

log = logging.getLogger("densenet_sweep")

# A trial's annotations: the record's id, and the key that finds its run while the id is unknown.
RUN_ID = "mlflow_run_id"
RECORD_KEY = "record_key"


@dataclass(frozen=True)
class Job:
    """What a run receives besides its config: the output folder, the user's overrides and choices, and its purpose.

    A `final` run trains on the training and the validation images together, and reads the test set once, after its last epoch.
    `thresholds` are those of the run that it comes from; it chooses none itself.
    `name` replaces the default name of its record, and `tags` are added to the record's. If it repeats a trial of the study
    `sweep`, `images` are the digests of that study's images, by how they are read.
    """

    output_dir: Path
    choices: Mapping[str, str]
    overrides: Sequence[str]
    final: bool = False
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    sweep: str | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    thresholds: Carried = NONE


@contextmanager
def recorded(
    open_record: Callable[..., Record],
    job: Job,
    *,
    values: Mapping[str, Any],
    objectives: Sequence[str],
    data: DataConfig,
    run_id: str | None,
    device: torch.device,
    dtype: torch.dtype,
    numbers: Mapping[str, float],
    images: Mapping[str, Images],
    class_names: Sequence[str],
) -> Iterator[Record]:
    """Yield the run's record and close it with the run's outcome, artifacts first.

    Args:
        open_record: see `densenet_sweep.tracking.mlflow_record.open_record`, without the tracker's own settings.
        job: of the run.
        values: its config, nested; see `run_config.shown`.
        objectives: the metrics that a sweep optimizes.
        data: the data set.
        run_id: of the record to continue, if the run's folder has it; the trial may have it, too.
        device: in use.
        dtype: of the forward pass.
        numbers: metrics known before the first epoch.
        images: by their use, such as `training`.
        class_names: of these.
    """
    trial = current_trial()
    tags = {
        **provenance_tags(device),
        "precision": str(dtype).removeprefix("torch."),
        "overrides": redacted(" ".join(job.overrides)),
        **job.tags,
    }
    chosen = [it for it in job.overrides if trial.number is None or it.lstrip("+").partition("=")[0] in trial.searched]
    name, summary = "", naming.summary(job.choices, values, chosen)
    if trial.number is not None:
        name = f"trial {trial.number}"
        tags[TRIAL_NUMBER] = str(trial.number)
    if trial.promoted_from is not None:
        name += f" (from {trial.promoted_from})"  # shown in every view, next to the other run of these parameters
        tags["trial.promoted_from"] = str(trial.promoted_from)
    if job.final:
        tags["final"] = "true"
    # Stored in the study before the run begins: the next attempt finds the run, wherever this process dies.
    earlier = trial.annotations.get(RECORD_KEY)
    key = earlier or uuid.uuid4().hex
    if earlier is None:
        trial.annotate(RECORD_KEY, key, is_copied=False)
    with log_if_slow(log.info, "opening the run's record; a new database takes a moment"):
        record = open_record(
            name=job.name or (f"{name}: {summary}" if name else f"{summary} on {job.choices.get('data', 'data')}"),
            parameters=_parameters(values, job, trial.log_scaled),
            tags=tags,
            study_name=trial.study_name,
            study_id=trial.study_id,
            run_id=run_id or trial.annotations.get(RUN_ID),
            key=key,
            may_exist=earlier is not None,
            folder=job.output_dir,
            description=_description(values, objectives, job, trial),
            numbers=numbers,
            inputs=lambda: [_data_used(data, job, context, used, class_names) for context, used in images.items()],
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
    except SystemExit:  # how submitit leaves a job that Slurm preempts or that ran out of time
        state, reason = "interrupted", "its job was taken off the machine"
        raise
    except Exception as error:
        reason = scrubbed(one_line(error))
        raise
    finally:
        try:
            if state in ("complete", "pruned"):
                of_a_sweep = trial.number is not None and not job.final
                record.artifacts(job.output_dir / "artifacts", without=(BEST_WEIGHTS,) if of_a_sweep else ())
                (job.output_dir / PREVIOUS_CHECKPOINT).unlink(missing_ok=True)
        finally:
            if state != "lost":  # otherwise another worker owns the run by now
                record.finish(state, reason)


def _default_name(job: Job) -> str:
    return f"{job.choices.get('architecture', 'network')} on {job.choices.get('data', 'data')}"


def _data_used(data: DataConfig, job: Job, context: str, images: Images, class_names: Sequence[str]) -> DataUsed:
    counts = labels.counts(images.labels_N, len(class_names))
    keys = ("valid_fraction", "num_train", "split_seed", *(() if data.folds is None else ("folds",)))
    of_the_split = {key: getattr(data, key) for key in keys}
    return DataUsed(
        name=job.choices.get("data", data._target_.rpartition(".")[2]),
        context=context,
        digest=images.digest,
        source={"function": data._target_, **data.source_arguments(), **of_the_split},
        shape=images.shape,
        class_counts=dict(zip(class_names, counts, strict=False)),
    )


def _parameters(values: Mapping[str, Any], job: Job, log_scaled: Collection[str]) -> dict[str, Any]:
    """Return the config by override path, plus log10 of what is searched on a log scale: MLflow's axes are linear."""
    leaves = run_config.flat(values)
    chosen = {group: option for group, option in job.choices.items() if group not in run_config.WHERE_IT_IS_WRITTEN}
    numbers = {key: leaves[key] for key in log_scaled if isinstance(leaves.get(key), int | float) and leaves[key] > 0}
    return {**chosen, **leaves, **{f"{key}.log10": round(math.log10(value), 4) for key, value in numbers.items()}}


def _description(values: Mapping[str, Any], objectives: Sequence[str], job: Job, trial: Trial) -> Description:
    """Return the run's description for people; its command is complete, so that it depends on no config file."""
    subject = f"{_default_name(job)}, trained once."
    if trial.number is not None:
        subject = f"Trial {trial.number} of study `{trial.study_name}`: {_default_name(job)}, `{' '.join(job.overrides)}`"
    if trial.promoted_from is not None:
        subject += f"; continues trial {trial.promoted_from}, which had stopped after a rung"
    if job.final:
        subject = f"{_default_name(job)}, trained on the training and the validation images together, and tested once."
    return Description(
        subject=subject,
        overrides=run_config.overrides(job.choices, values, ignored=run_config.machine_keys(values["data"])),
        elsewhere="The same configuration on the training images alone:" if job.final else "The same without this store:",
        store=[override for override in job.overrides if override.startswith("tracking.uri=")],
        objectives=[on_test(objectives[0])] if job.final else objectives,
    )
