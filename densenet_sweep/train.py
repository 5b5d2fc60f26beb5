"""The composition root of one training run: assemble the parts, consume the epochs, return the objective.

The only place that turns the config into objects. It reads like the recipe that it is; each step lives elsewhere.
"""

import functools
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from hydra.utils import instantiate
from torch import nn

from densenet_sweep import limits, progress
from densenet_sweep.config import OBJECTIVES, Config, ConfigError
from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.data.batches import EvalBatches, TrainBatches
from densenet_sweep.data.images import Images, Source
from densenet_sweep.data.preprocessing import Preprocessing, channel_statistics
from densenet_sweep.data.split import split
from densenet_sweep.sweep import TrialLost, TrialPruned, current_trial
from densenet_sweep.tracking.figures import write_evaluation
from densenet_sweep.tracking.provenance import provenance_tags
from densenet_sweep.tracking.record import Record, State
from densenet_sweep.training import checkpoint
from densenet_sweep.training.fit import Epoch, fit
from densenet_sweep.training.memory import keep_freed_memory
from densenet_sweep.training.precision import place, resolve_device, resolve_dtype
from densenet_sweep.training.threads import keep_to_the_job

log = logging.getLogger("densenet_sweep")

# Validation keeps no activations, so it can take more images at a time than training.
_VALID_BATCH_SIZE = 512

# Sections that say nothing of what is trained, and may hold a password.
_WHERE_IT_IS_WRITTEN = ("tracking", "storage")


@dataclass(frozen=True)
class Job:
    """What a run is told besides its config: where to write, and what the user typed and chose."""

    output_dir: Path
    choices: Mapping[str, str]
    overrides: Sequence[str]


def train(config: Config, job: Job) -> float | tuple[float, ...]:
    """Train one network as `config` says and return the objective's value after the last epoch, or each objective's.

    Where `job.output_dir` holds a checkpoint of the same config, training continues from it. The test set is not read.

    Raises:
        ValueError, OSError: bad input, in one line, before the first epoch.
        DivergedError: the loss became infinite or not a number.
        TrialPruned: the sweep gave this trial up, or it exceeds a limit.
    """
    trial = current_trial()
    device = resolve_device(config.device)
    dtype = resolve_dtype(config.precision, device)
    if device.type == "cpu":
        keep_freed_memory()
        keep_to_the_job(os.environ)
    last = _last_checkpoint(job.output_dir, config)
    is_complete = config.architecture.num_classes is not None
    if is_complete:
        _check_limits(config, job, dtype)
    source, train_images, valid_images = _splits(config, device)
    config = _with_num_classes(config, len(source.class_names))
    if not is_complete:
        _check_limits(config, job, dtype)
    train_batches, valid_batches = _batches(config, train_images, valid_images)

    network = place(build_network(config), device)
    optimizer = _build_optimizer(config, network)
    history: list[dict[str, float]] = last.get("history", [])
    if history:
        network.load_state_dict(last["network"])
        optimizer.load_state_dict(last["optimizer"])
        log.info("continuing after epoch %d of %d", len(history), config.epochs)
    for past in history:
        trial.report(past[config.objectives[0]], step=int(past["epoch"]))

    epochs = fit(
        torch.compile(network) if config.compile else network,  # type: ignore[arg-type]
        optimizer,
        instantiate(asdict(config.schedule)),
        train_batches=lambda index: progress.of_epoch(train_batches(index), train_batches.num_batches, index, config.epochs),
        valid_batches=valid_batches,
        num_batches=train_batches.num_batches,
        epochs=config.epochs,
        first_epoch=len(history),
        dtype=dtype,
        label_smoothing=config.label_smoothing,
        max_grad_norm=config.optimizer.max_grad_norm,
        seed=config.seed,
    )
    num_parameters = sum(parameter.numel() for parameter in network.parameters())
    artifacts = job.output_dir / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    shown = {key: value for key, value in asdict(config).items() if key not in _WHERE_IT_IS_WRITTEN}
    (artifacts / "config.yaml").write_text(yaml.safe_dump(shown, sort_keys=False), encoding="utf-8")

    def save_last(run_id: str | None) -> None:
        state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "history": history}
        with _going_on_without(job.output_dir / "last.pt") as path:
            checkpoint.save(path, {"config": _fingerprint(config), "run_id": run_id, **state})

    prefix = "" if trial.number is None else f"trial {trial.number} "
    with _recorded(config, job, run_id=last.get("run_id"), device=device, dtype=dtype) as record:
        if not history:  # whoever continues this knows its run in MLflow, even where it dies in the first epoch
            save_last(record.run_id)
        trial.annotate("num_parameters", num_parameters)
        trial.annotate("num_steps", config.epochs)
        trial.annotate("num_valid", len(valid_images.labels_N))
        trial.annotate("mlflow_run_id", record.run_id)
        for epoch in epochs:
            trial.check_lease()
            metrics = {**_metrics(epoch), "num_parameters": num_parameters}
            log.info("%s%s", prefix, _line(epoch, config.epochs))
            record.epoch(metrics, step=epoch.index + 1)
            if _is_best(metrics, history, config.objectives[0]):
                with _going_on_without(artifacts / "best.pt") as path:
                    checkpoint.save(path, {"network": network.state_dict(), "epoch": epoch.index + 1})
                    write_evaluation(artifacts, epoch.valid_confusion_KK.numpy(), source.class_names)
            history.append({"epoch": epoch.index + 1, **metrics})
            save_last(record.run_id)
            trial.annotate("seconds", sum(past["seconds"] for past in history))
            trial.report(metrics[config.objectives[0]], step=epoch.index + 1)
            if epoch.index + 1 < config.epochs and trial.should_prune():
                raise TrialPruned(f"after epoch {epoch.index + 1} of {config.epochs}")
    values = tuple(history[-1][name] for name in config.objectives)
    return values[0] if isinstance(config.objective, str) else values


def build_network(config: Config) -> nn.Module:
    """Return the network of `config` on the CPU, initialised from `config.seed`.

    Raises:
        ConfigError: the number of classes is only known once the pictures have been read, and was not given.
    """
    if config.architecture.num_classes is None:
        raise ConfigError("architecture.num_classes is not known before the pictures are read: give architecture.num_classes=N")
    torch.manual_seed(config.seed)
    network: nn.Module = instantiate(asdict(config.architecture))
    return network


def flat(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested `section` under their override paths, such as `optimizer.lr`; lists are leaves."""
    leaves: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves


def _check_limits(config: Config, job: Job, dtype: torch.dtype) -> None:
    """Refuse a network beyond a limit, before anything is put on the device; a trial ends as pruned, with a run that says so.

    Raises:
        ConfigError: beyond a limit, outside a sweep.
        TrialPruned: the same in a sweep, whose sampler is told by how much.
    """
    if config.limits.num_parameters is None and config.limits.memory_bytes is None:
        return
    trial = current_trial()
    network = build_network(config)
    for name, excess in limits.excesses(config, network, dtype.itemsize).items():
        trial.constrain(name, excess)
    over = limits.message(config, network, dtype.itemsize)
    if over and trial.number is None:
        raise ConfigError(over)
    if over:
        trial.annotate("num_parameters", sum(parameter.numel() for parameter in network.parameters()))
        with _recorded(config, job, run_id=None, device=torch.device("cpu"), dtype=dtype):
            raise TrialPruned(f"infeasible: {over}")


@contextmanager
def _going_on_without(path: Path) -> Iterator[Path]:
    """Let the context write `path`; a full disk costs what it would have kept, not the training."""
    try:
        yield path
    except OSError as error:
        log.warning("%s: not written (%s); training goes on without it", path, error.strerror or error)


@functools.lru_cache(maxsize=2)
def _read(
    source: str, fraction: float, num_train: int | None, seed: int, device: torch.device
) -> tuple[Source, Images, Images]:
    """Read and split a data set once for all trials of a long-lived worker; `source` is its function's call as JSON."""
    loaded: Source = instantiate(json.loads(source))
    train_images, valid_images = split(loaded.train, valid_fraction=fraction, num_train=num_train, seed=seed)
    return loaded, train_images.to(device), valid_images.to(device)


def _splits(config: Config, device: torch.device) -> tuple[Source, Images, Images]:
    data = config.data
    source = json.dumps({"_target_": data._target_, **data.source_arguments()}, sort_keys=True)
    return _read(source, data.valid_fraction, data.num_train, data.split_seed, device)


def _with_num_classes(config: Config, num_classes: int) -> Config:
    """Return `config` with the number of classes that was found where it did not say one."""
    given = config.architecture.num_classes
    if given is not None and given < num_classes:
        raise ConfigError(f"architecture.num_classes={given} does not fit the data set, which has {num_classes} classes")
    return replace(config, architecture=replace(config.architecture, num_classes=given or num_classes))


def _batches(config: Config, train_images: Images, valid_images: Images) -> tuple[TrainBatches, EvalBatches]:
    mean_C, std_C = channel_statistics(train_images, normalize=config.data.normalize)
    preprocessing = Preprocessing(config.data.image_size, mean_C, std_C)
    augmentation = Augmentation(**asdict(config.data.augment))
    train_batches = TrainBatches(train_images, preprocessing, augmentation, batch_size=config.batch_size, seed=config.seed)
    return train_batches, EvalBatches(valid_images, preprocessing, batch_size=_VALID_BATCH_SIZE)


def _build_optimizer(config: Config, network: nn.Module) -> torch.optim.Optimizer:
    arguments = asdict(config.optimizer)
    del arguments["max_grad_norm"]  # belongs to the loop
    optimizer: torch.optim.Optimizer = instantiate(arguments, network=network)
    return optimizer


@contextmanager
def _recorded(config: Config, job: Job, *, run_id: str | None, device: torch.device, dtype: torch.dtype) -> Iterator[Record]:
    """Yield the run's record and close it with what became of the run, artifacts first."""
    trial = current_trial()
    tags = {
        **provenance_tags(device),
        "precision": str(dtype).removeprefix("torch."),
        "overrides": " ".join(job.overrides),
    }
    name = f"{job.choices.get('architecture', 'network')} on {job.choices.get('data', 'data')}"
    if trial.number is not None:
        name = f"trial {trial.number}"
        tags["trial.number"] = str(trial.number)
    leaves = {key: value for key, value in flat(asdict(config)).items() if key.partition(".")[0] not in _WHERE_IT_IS_WRITTEN}
    leaves = {key: value for key, value in leaves.items() if not key.endswith("_target_")}
    # Partial: instantiate resolves what it is handed, and an override may hold ${oc.env:PASSWORD}.
    open_record = instantiate(asdict(config.tracking), _partial_=True)
    record: Record = open_record(
        name=name,
        parameters={**job.choices, **leaves},
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


def _last_checkpoint(output_dir: Path, config: Config) -> dict[str, Any]:
    """Return the checkpoint to continue from, or nothing.

    Raises:
        ConfigError: it was written by another config, or this one trains for fewer epochs than it has.
    """
    path = output_dir / "last.pt"
    if not path.exists():
        return {}
    last = checkpoint.load(path)
    then, now = json.loads(last["config"]), json.loads(_fingerprint(config))
    for key in sorted(then.keys() | now.keys()):
        if then.get(key) != now.get(key):
            raise ConfigError(
                f"{key}={now.get(key)}, but {path} was trained with {key}={then.get(key)}: "
                "continue with the same config, or choose another hydra.run.dir"
            )
    return last


def _fingerprint(config: Config) -> str:
    """Return what must not change over a continued run, as JSON; where and by whom it is recorded may change."""
    leaves = flat(asdict(config))
    ignored = ("tracking.", "storage.", "limits.", "device", "data.root", "data.download", "architecture.num_classes")
    return json.dumps({key: value for key, value in leaves.items() if not key.startswith(ignored)}, sort_keys=True)


def _metrics(epoch: Epoch) -> dict[str, float]:
    """Return the numbers of `epoch` under the names that MLflow shows."""
    names = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "lr", "seconds", "images_per_second")
    return {name: getattr(epoch, name) for name in (*names, "peak_memory_bytes")}


def _is_best(metrics: Mapping[str, float], history: Sequence[Mapping[str, float]], objective: str) -> bool:
    """Tell whether `metrics` are the best so far by the objective."""
    sign = 1 if OBJECTIVES[objective] == "maximize" else -1
    return all(sign * metrics[objective] > sign * past[objective] for past in history)


def _line(epoch: Epoch, epochs: int) -> str:
    return (
        f"epoch {epoch.index + 1}/{epochs}  "
        f"train loss {epoch.train_loss:.4f} accuracy {epoch.train_accuracy:.4f}  "
        f"valid loss {epoch.valid_loss:.4f} accuracy {epoch.valid_accuracy:.4f}  "
        f"lr {epoch.lr:.4g}  {epoch.images_per_second:,.0f} images/s  {epoch.seconds:.1f} s"
    )
