"""`densenet-sweep sweep=NAME --dry-run`: what a sweep would cost."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from hydra_async_sweeper.application import DESCRIPTION
from omegaconf import DictConfig, open_dict, read_write
from rich.console import Console

from densenet_sweep.config import composition
from densenet_sweep.counts import counted
from densenet_sweep.data.known import facts, split_sizes
from densenet_sweep.results.formatting import duration

if TYPE_CHECKING:
    from hydra_async_sweeper.application import Forecast

# Options of `hydra.sweeper` that may end a sweep before `n_trials`.
_MAY_END_EARLIER = ("timeout", "target", "patience", "stop_when")

# Classes of pictures that nobody has read yet; they hardly change the time.
_CLASSES = 10


class ForeseeSweep(Callback):
    """Prints the trials, epochs and hours that a sweep is expected to take."""

    def on_dry_run(
        self,
        config: DictConfig,
        study_name: str,
        sweep_dir: str,
        examples: Sequence[DictConfig],
        foresee: "Callable[..., Forecast]",
        num_workers: int,
        **_: Any,
    ) -> None:
        """Print them, for what is left of a study that has begun.

        Raises:
            ValueError: a config that cannot be trained.
        """
        n_trials = int(config.hydra.sweeper.n_trials)
        begun = _num_finished(config, study_name, Path(sweep_dir))
        left = max(0, n_trials - begun)
        finished = f", {begun} of them finished" if begun else ""
        most = "at most " if any(config.hydra.sweeper.get(name) is not None for name in _MAY_END_EARLIER) else ""
        _print([f"study {study_name}: {most}{counted(n_trials, 'trial')}{finished}"])
        if not left:
            return
        runs = [_Example(it, num_workers) for it in examples]
        steps, rungs, epochs = runs[0].steps
        found = foresee(n_trials=left, num_steps=steps, rungs=rungs)
        num_epochs = found.num_steps * (epochs or 1)
        _print(
            [
                _trials(found, steps, rungs, is_folded=epochs is not None),
                f"epochs    about {counted(round(num_epochs), 'epoch')} of training in all",
            ]
        )
        of_rungs = found.num_steps - found.num_complete * steps if rungs else 0.0
        _print(_times(runs, num_epochs - of_rungs * (1 - runs[0].cost_of_a_rung), num_workers))


def _print(lines: Sequence[str]) -> None:
    console = Console()
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _num_finished(config: DictConfig, study_name: str, folder: Path) -> int:
    """Return how many trials of the study are finished."""
    if not (folder / DESCRIPTION).is_file():
        return 0
    from densenet_sweep.results.from_optuna import read_study
    from densenet_sweep.results.studies import FoundStudy

    study = read_study(FoundStudy(study_name, folder, config.hydra.sweeper.get("storage")).load())
    return sum(trial.is_own for trial in study.in_state("complete", "pruned"))


def _trials(found: "Forecast", steps: int, rungs: Sequence[int], *, is_folded: bool) -> str:
    whole = counted(steps, "fold" if is_folded else "epoch")
    if not found.num_stopped:
        return f"trials    all trained in full ({whole})"
    when = f"after a rung of {' or '.join(counted(rung, 'epoch') for rung in rungs)}" if rungs else "early"
    return f"trials    about {round(found.num_stopped)} stopped {when}, {round(found.num_complete)} trained in full ({whole})"


def _times(runs: "Sequence[_Example]", num_epochs: float, num_workers: int) -> list[str]:
    """Return the lines about an epoch's time and all hours; `num_epochs` counts whole ones."""
    epochs = [run.epoch_seconds() for run in runs]
    where = f"measured on {runs[0].device} with random pixels, {counted(len(runs), 'configuration')}"
    known = [it for it in epochs if it is not None]
    if len(known) < len(epochs):
        return ["hours     unknown, as are the images before they are read: data.num_train=N and data.folds=null tell"]
    mean = statistics.fmean(known)
    spread = f"{duration(min(known))} to {duration(max(known))}, mean {duration(mean)}"
    total = num_epochs * mean / num_workers
    beside = f" with {counted(num_workers, 'worker')}" if num_workers > 1 else ""
    return [f"an epoch  {spread} ({where})", f"in all    about {duration(total, in_words=True)}{beside}"]


class _Example:
    """A possible trial of the sweep."""

    def __init__(self, job: DictConfig, num_workers: int) -> None:
        with read_write(job), open_dict(job):
            del job["hydra"]
        self._config = composition.typed(job)
        self._num_workers = num_workers

    @property
    def steps(self) -> tuple[int, Sequence[int], int | None]:
        """The steps of a whole training, those of its rungs, and the epochs of a step where that is a fold."""
        config = self._config
        if config.data.folds is not None:
            return config.data.folds, (), config.epochs
        return config.epochs, tuple(rung for rung in config.rungs if rung < config.epochs), None

    @property
    def cost_of_a_rung(self) -> float:
        """The time of a rung's epoch as a share of another's: as that of their pixels."""
        return self._config.rung_scale**2

    @property
    def device(self) -> str:
        """The device in words."""
        from densenet_sweep.training.precision import resolve_device

        return "the processor" if resolve_device(self._config.device).type == "cpu" else "the GPU"

    def epoch_seconds(self) -> float | None:
        """Return the seconds of an epoch; None if the number of images is unknown before they are read."""
        import torch

        from densenet_sweep.run import build, first_epoch
        from densenet_sweep.training.precision import place, resolve_device, resolve_dtype

        config, data = self._config, self._config.data
        sizes = self._sizes()
        if sizes is None:
            return None
        device = resolve_device(config.device)
        num_classes = config.architecture.num_classes or data.num_classes or _CLASSES
        torch.manual_seed(config.seed)
        network = place(build.network(replace(config.architecture, num_classes=num_classes), config.trusted_targets), device)
        seconds = first_epoch.seconds(
            network,
            build.optimizer(config.optimizer, network, config.trusted_targets),
            image_shape=(config.architecture.in_channels or data.num_channels, *_sides(data.image_size)),
            num_classes=num_classes,
            batch_size=config.batch_size,
            num_train=sizes[0],
            num_valid=sizes[1],
            device=device,
            dtype=resolve_dtype(config.precision, device),
            num_workers=self._num_workers,
        )
        return seconds if config.max_seconds is None else min(seconds, config.max_seconds / config.epochs)

    def _sizes(self) -> tuple[int, int] | None:
        """Return how many images an epoch trains and validates on."""
        data = self._config.data
        known = facts(data._target_)
        if known is None:
            return None if data.num_train is None else (data.num_train, round(data.num_train * data.valid_fraction))
        if data.folds is not None:
            num_images = data.num_train or known.num_images
            return num_images * (data.folds - 1) // data.folds, num_images // data.folds
        return split_sizes(known.num_images, known.num_classes, valid_fraction=data.valid_fraction, num_train=data.num_train)


def _sides(image_size: Any) -> tuple[int, int]:
    return (image_size, image_size) if isinstance(image_size, int) else (int(image_size[0]), int(image_size[1]))
