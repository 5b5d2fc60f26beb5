"""The composition root of one training run: assemble the parts, consume the epochs, return the objective.

It reads like a recipe; each step lives elsewhere, and `run/build.py` turns the sections of the config into objects.
"""

import functools
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from hydra_async_sweeper import REPETITION, TrialPruned, application, current_trial
from torch import nn

from densenet_sweep.architectures import parts
from densenet_sweep.config import capacity, run_config
from densenet_sweep.config.augmentation import remark_on_test_time_flip
from densenet_sweep.config.finetuning import published_name, weights_name
from densenet_sweep.config.metrics import on_test
from densenet_sweep.config.schema import Config, ConfigError, MlflowConfig
from densenet_sweep.counts import counted
from densenet_sweep.data import found
from densenet_sweep.data.images import Images, Source
from densenet_sweep.data.labels import is_multi_label
from densenet_sweep.run import build, cost_limits, mistakes, reference, resume, same_images, splits, starting_weights
from densenet_sweep.run.folder import RunFolder
from densenet_sweep.run.folds import Fold, FoldedRun
from densenet_sweep.run.identity import set_num_threads
from densenet_sweep.run.network_training import NetworkTraining
from densenet_sweep.run.recording import Job, recorded
from densenet_sweep.run.reporting import TrainingRun
from densenet_sweep.run.starting_weights import FindModel, Loaded, StartingWeights
from densenet_sweep.run.task import check_task
from densenet_sweep.tracking.record import Record
from densenet_sweep.training import threads
from densenet_sweep.training.compilation import Compiled
from densenet_sweep.training.ema import WeightAverage
from densenet_sweep.training.finetuning import freeze, regroup
from densenet_sweep.training.malloc import keep_freed_memory, reset_peak
from densenet_sweep.training.precision import place, resolve_device, resolve_dtype

log = logging.getLogger("densenet_sweep")


@threads.restored()
def train(config: Config, job: Job, find_model: FindModel | None = None) -> float | tuple[float, ...]:
    """Train one network from `config` and return the objective's value after the last epoch, or each objective's.

    If `job.output_dir` holds a checkpoint of the same config, training continues from it. Only a final run reads the test set;
    it returns the objective's value there; see `on_test`. `find_model` finds the weights that `architecture.weights` names.

    Raises:
        ValueError, OSError: bad input, in one line, before the first epoch.
        DivergedError: the loss became infinite or not a number.
        TrialPruned: the sweep pruned this trial, or it exceeds a limit.
    """
    trial = current_trial()
    device = resolve_device(config.device)
    dtype = resolve_dtype(config.precision, device)
    if device.type == "cpu":
        _prepare_cpu(config.objectives)
    fingerprint = run_config.fingerprint(config, is_final=job.final)
    last = resume.last_checkpoint(job, fingerprint)
    config = replace(config, num_threads=set_num_threads(config.num_threads, device, last.get("num_threads")))
    is_complete = config.architecture.num_classes is not None
    if is_complete:
        _check_limits(config, job, dtype)
    capacity.check_fits(config)
    weights = _starting_weights(config, find_model)  # refused before pictures are decoded, which may take hours
    if weights is not None:
        resume.check_same(last, "weights", weights.digest, _digest_of_weights(weights.name), job)
    if remark := remark_on_test_time_flip(config):
        log.warning(remark)
    images = _read_images(config, device, last, job)
    source, digest = images.source, images.digest
    config = _with_num_classes(config, len(source.class_names))
    if not is_complete:
        _check_limits(config, job, dtype)
    if source.value_range is not None:
        job = replace(job, tags={**job.tags, "data.value_range": json.dumps(source.value_range)})
    if not job.final:
        job = replace(job, tags={**job.tags, "num_valid": str(images.num_valid)})
    shown = run_config.shown(config)
    same = resume.must_stay(fingerprint, digest, None if weights is None else weights.digest, config.num_threads)
    setup = _Setup(device, dtype, source, weights, same, run_config.text(job.choices, shown))

    def open_record(job: Job, num_parameters: int) -> AbstractContextManager[Record]:
        return recorded(
            build.record_opener(config.tracking, config.trusted_targets), job,
            values=shown, objectives=config.objectives, data=config.data,
            run_id=last.get("run_id"), device=device, dtype=dtype, numbers={"num_parameters": num_parameters},
            images=images.recorded_as, class_names=source.class_names,
        )  # fmt: skip

    def train_fold(fold: Fold) -> dict[str, float]:
        of_fold = replace(config, seed=config.seed + fold.number - 1)
        last_of_fold = resume.last_checkpoint(fold.job, fingerprint)
        return _train_network(of_fold, setup, *images.pairs[fold.number - 1], last_of_fold, fold)

    if images.are_folds:
        run = FoldedRun(
            trial, job, open_record, num_folds=len(images.pairs), num_images=images.num_valid,
            objectives=config.objectives, last=last, same=same, config=setup.text,
        )  # fmt: skip
        metrics = run.train(train_fold)
    else:
        metrics = _train_network(config, setup, *images.pairs[0], last, Fold(1, job, trial, open_record))
    reference.compare(config.reference, trial, metrics)
    if job.final:
        return metrics[on_test(config.objectives[0])]
    trial.annotate(REPETITION, reference.repetition(config.num_threads, trial, metrics))
    values = tuple(metrics[name] for name in config.objectives)
    return values[0] if isinstance(config.objective, str) else values


@dataclass(frozen=True)
class _Setup:
    """What all networks of a run have in common; `same` and `text` are what their folders keep."""

    device: torch.device
    dtype: torch.dtype
    source: Source
    weights: StartingWeights | None
    same: Mapping[str, Any]
    text: str


def _prepare_cpu(objectives: Sequence[str]) -> None:
    if "peak_memory_bytes" in objectives and not reset_peak():
        raise ConfigError(
            "objective=peak_memory_bytes: this system does not tell what one training takes on a CPU; Linux does, or a GPU"
        )
    keep_freed_memory()
    threads.keep_to_the_job(os.environ, application.core_share())


def _train_network(
    config: Config, setup: _Setup, train_images: Images, valid_images: Images, last: Mapping[str, Any], fold: Fold
) -> dict[str, float]:
    """Train one network and return the metrics of its last epoch; of a final run also those of the test.

    Args:
        config: of the run.
        setup: of the run.
        train_images: of the network.
        valid_images: of the network; not used in a final run.
        last: the checkpoint of an earlier start, or nothing.
        fold: where the training is reported; a run without folds is one.
    """
    source, trial, is_final = setup.source, fold.trial, fold.job.final
    training, loaded = _assemble(config, setup, train_images, trial.progress, num_trained=len(last.get("history", [])))
    if last.get("history"):
        training.restore(last)
    job = fold.job if loaded is None else replace(fold.job, tags={**fold.job.tags, **loaded.tags()})
    folder = RunFolder(
        job.output_dir, training.network, training.optimizer,
        same=setup.same, average=training.average, preprocessing=training.preprocessing,
        class_names=source.class_names, value_range=source.value_range,
        contents=found.seen(source),
        is_multi_label=is_multi_label(train_images.labels_N),
        last=last,
        carried=job.thresholds if job.final else None,
        specificity=config.specificity,
    )  # fmt: skip
    folder.keep_config(setup.text)
    keep_mistakes = functools.partial(
        mistakes.keep, folder.artifacts, config.tracking.keep_mistakes, training.evaluated,
        preprocessing=training.preprocessing, source=source,
    )  # fmt: skip
    costs = cost_limits.costs(training.network, config.objectives, image_size=config.data.image_size)
    validated = None if is_final else valid_images
    with fold.open_record(job, costs["num_parameters"]) as record, folder.writing(trial.check_lease):
        run = TrainingRun(
            trial, record, folder,
            epochs=config.epochs, rungs=config.rungs, max_seconds=config.max_seconds,
            reported="train_accuracy" if is_final else config.objectives[0],
            costs=costs, last=last, part=fold.label,
            valid_groups_N=None if validated is None else validated.groups_N,
        )  # fmt: skip
        run.begin()
        if validated is not None:
            trial.annotate("num_valid", len(validated))
        for rung in run.rungs:
            run.run_rung(rung, training.rung(rung, validated))
        for epoch in training.epochs(config.epochs, validated, past=tuple(run.history)):
            run.report_epoch(epoch)
            if epoch.is_last and epoch.validation is not None and not fold.label:  # whose folder goes
                keep_mistakes(valid_images, epoch.validation, split="Validation")
        if is_final:
            folder.keep_final(len(run.history))
            test_images = source.load_test()
            test = training.evaluate(test_images)
            tested = run.report_test(test, on_test(config.objectives[0]), test_images.groups_N)
            keep_mistakes(test_images, test, split="Test")
            return {**run.history[-1], **tested}
    return run.history[-1]


def _assemble(
    config: Config, setup: _Setup, images: Images, note: Callable[[float], None], *, num_trained: int
) -> tuple[NetworkTraining, Loaded | None]:
    """Return a network with what trains it on `images`, and what it takes from the starting weights.

    Args:
        config: of the run.
        setup: of the run.
        images: for training.
        note: see `NetworkTraining`.
        num_trained: epochs that an earlier start has trained.
    """
    device, weights, num_classes = setup.device, setup.weights, len(setup.source.class_names)
    of_weights = weights if config.finetune.statistics == "weights" else None
    preprocessing = starting_weights.preprocessing(config.data, images, of_weights)
    preprocessing = replace(preprocessing, mean_C=preprocessing.mean_C.to(device), std_C=preprocessing.std_C.to(device))
    num_outputs = config.architecture.num_classes or num_classes
    batches = build.train_batches(
        config.data, images, preprocessing,
        num_outputs=num_outputs, batch_size=config.batch_size, seed=config.seed, device=device,
    )  # fmt: skip
    loss = build.loss(
        config.loss, images, device, num_classes=num_classes, num_outputs=num_outputs,
        label_smoothing=config.label_smoothing, trusted=config.trusted_targets,
    )  # fmt: skip
    network = build_network(config)
    loaded = None if weights is None else weights.load(network)
    network = place(network, device)
    frozen = freeze(parts.frozen(network, config.finetune.freeze), config.finetune.unfreeze_after)
    optimizer = build.optimizer(config.optimizer, network, config.trusted_targets)
    regroup(optimizer, frozen, [] if loaded is None else loaded.parameters(network), config.finetune.lr_factor)
    num_steps = (config.epochs - num_trained) * batches.num_batches
    training = NetworkTraining(
        network=network,
        steps=Compiled(network, config.batch_size, num_steps=num_steps, say=log.info) if config.compile else network,
        optimizer=optimizer,
        train_batches=batches,
        preprocessing=preprocessing,
        loss=loss,
        make_schedule=functools.partial(build.schedule, config.schedule, config.trusted_targets),
        frozen=frozen,
        average=None if config.ema_decay is None else WeightAverage(network, config.ema_decay),
        test_time_flip=config.test_time_flip,
        max_grad_norm=config.optimizer.max_grad_norm,
        max_seconds=config.max_seconds,
        dtype=setup.dtype,
        seed=config.seed,
        rung_scale=config.rung_scale,
        note=note,
    )
    return training, loaded


def build_network(config: Config) -> nn.Module:
    """Return the network of `config` on the CPU, initialised from `config.seed`.

    Raises:
        ConfigError: the number of classes is only known once the pictures have been read, and was not given; or the network
            does not fit into this machine.
    """
    if config.architecture.num_classes is None:
        raise ConfigError("architecture.num_classes is not known before the pictures are read: give architecture.num_classes=N")
    capacity.check_fits(config, trains=False)
    torch.manual_seed(config.seed)
    return build.network(config.architecture, config.trusted_targets)


def _check_limits(config: Config, job: Job, dtype: torch.dtype) -> None:
    """Refuse a network that exceeds a limit, before anything is put on the device; a trial is pruned, and its run says why.

    Raises:
        ConfigError: beyond a limit, outside a sweep.
        TrialPruned: the same in a sweep, whose sampler receives the excess.
    """
    if not config.limits.is_set:
        return
    trial = current_trial()
    network = build_network(config) if capacity.fits(config) else capacity.network_size(config.architecture, config.data)
    assert network is not None, "only a network of known size is too large to be built"
    estimates = cost_limits.estimates(
        config.limits, network, image_size=config.data.image_size, batch_size=config.batch_size,
        bytes_per_activation=dtype.itemsize, states_per_weight=config.optimizer.states_per_weight,
    )  # fmt: skip
    for name, excess in cost_limits.excesses(config.limits, estimates).items():
        trial.constrain(name, excess)
    over = cost_limits.message(config.limits, estimates)
    if over and trial.number is None:
        raise ConfigError(over)
    if over:
        trial.annotate("num_parameters", num_parameters := cost_limits.num_parameters(network))
        with recorded(
            build.record_opener(config.tracking, config.trusted_targets), job,
            values=run_config.shown(config), objectives=config.objectives, data=config.data,
            run_id=None, device=torch.device("cpu"), dtype=dtype, numbers={"num_parameters": num_parameters},
            images={}, class_names=(),
        ):  # fmt: skip
            raise TrialPruned(f"infeasible: {over}")


def _with_num_classes(config: Config, num_classes: int) -> Config:
    """Return `config` with the number of classes found, unless it sets one."""
    given = config.architecture.num_classes
    if given is not None and given < num_classes:
        raise ConfigError(
            f"architecture.num_classes={given} does not fit the data set, which has {counted(num_classes, 'class')}"
        )
    return replace(config, architecture=replace(config.architecture, num_classes=given or num_classes))


def _starting_weights(config: Config, find_model: FindModel | None) -> StartingWeights | None:
    """Return the weights to start from, if any; the network of the config takes them, whatever its number of classes.

    Raises:
        ValueError, OSError: they cannot be had, or are another network's or, in a study, no longer those of its first trials.
    """
    name = weights_name(config.architecture)
    if name is None:
        return None
    uri = config.tracking.uri if isinstance(config.tracking, MlflowConfig) else ""
    weights = starting_weights.read(name, published=published_name(config.architecture), uri=uri, find_model=find_model)
    with torch.device("meta"):
        weights.matched(build_network(_with_num_classes(config, 1)))
    current_trial().hold_to(f"weights {name}", weights.digest, _digest_of_weights(name))
    return weights


def _digest_of_weights(name: str) -> str:
    return f"architecture.weights={name}: the digest of its weights is"


def _read_images(config: Config, device: torch.device, last: Mapping[str, Any], job: Job) -> splits.OfRun:
    """Return the images of the run, which the network of the config can be trained on.

    Raises:
        ValueError, OSError: they cannot be read or split, are not for the task, or not those of an earlier start, of the other
            trials or of the sweep that the run repeats; SweepError where that holds for all trials of a sweep.
    """
    with resume.ending_the_sweep(current_trial(), job):
        images = splits.of_run(config.data, device, config.trusted_targets, config.objectives[0], is_final=job.final)
    same_images.check(config.data, images, last, job)
    check_task(
        config.loss, config.objectives, images.pairs[0][0].labels_N,
        num_classes=len(images.source.class_names), num_outputs=config.architecture.num_classes,
    )  # fmt: skip
    return images
