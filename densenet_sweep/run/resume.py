"""Whether a run continues from the checkpoint of an earlier start."""

import itertools
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra_async_sweeper import Trial
from hydra_async_sweeper.application import SweepError, first_difference, set_stored

from densenet_sweep.config import composition, errors, run_config
from densenet_sweep.config.schema import ConfigError
from densenet_sweep.run.artifacts import CHECKPOINT, CHECKPOINTS
from densenet_sweep.run.recording import Job
from densenet_sweep.training import checkpoint

log = logging.getLogger("densenet_sweep")

# What every trial would meet; other errors of the system, such as those of a disk, may be over at the next one.
_UNREADABLE = (ValueError, FileNotFoundError, NotADirectoryError, PermissionError, ConnectionError)


def last_checkpoint(job: Job, fingerprint: str) -> dict[str, Any]:
    """Return the checkpoint to continue from, or nothing. A damaged one is set aside, and the one before it is used.

    Args:
        job: of the run.
        fingerprint: of its config; see `run_config.fingerprint`.

    Raises:
        ConfigError: it was written by another config, or this one trains for fewer epochs than it has.
        OSError: it cannot be read or set aside.
    """
    path, last = _newest(job.output_dir)
    if path is None:
        return {}
    last = _with_present_names(last)
    then = json.loads(last["config"])
    difference = first_difference(then, json.loads(fingerprint), lambda: _reread(then, job))
    if difference is not None:
        key, old, new = difference
        raise ConfigError(
            f"{key}={new}, but {path} was trained with {key}={old}: "
            "continue with the same config, or choose another hydra.run.dir"
        )
    return last


def must_stay(fingerprint: str, digest: str, weights: str | None, num_threads: int | None) -> dict[str, Any]:
    """Return what a checkpoint says of the run that it belongs to.

    Args:
        fingerprint: of the config; see `run_config.fingerprint`.
        digest: of the images.
        weights: digest of the starting weights.
        num_threads: in use on a CPU.
    """
    return {"config": fingerprint, "images": digest, "weights": weights, "num_threads": num_threads}


def check_same(last: Mapping[str, Any], part: str, digest: str, digest_is: str, job: Job) -> None:
    """Refuse to continue on other images or starting weights than those of the checkpoint `last`; an older one has no digest.

    Args:
        last: the checkpoint, or nothing.
        part: of `must_stay`.
        digest: of what there is now.
        digest_is: begins the sentence that the digest ends.
        job: of the run.

    Raises:
        ConfigError: they have changed.
    """
    then = last.get(part, digest)
    if then != digest:
        raise ConfigError(
            f"{digest_is} {digest}, but {job.output_dir / CHECKPOINT} was trained with {then}: put them back, or choose "
            "another hydra.run.dir"
        )


def check_same_as_sweep(read_as: str, digest: str, digest_is: str, job: Job) -> None:
    """Refuse to repeat a trial of a sweep on other images; images that are read in another way are others.

    Raises:
        SweepError: they have changed since the sweep.
    """
    then = job.images.get(read_as, digest)
    if then != digest:
        raise SweepError(
            f"{digest_is} {digest}, but the study {job.sweep} has {then}: put them back, or let a sweep on the new ones choose"
        )


@contextmanager
def ending_the_sweep(trial: Trial, job: Job) -> Iterator[None]:
    """While images are read: what no trial of the sweep could read ends it, instead of one trial after the other.

    Raises:
        SweepError: they cannot be read, in a sweep that does not search how; a disk that fails for a moment is not meant.
    """
    try:
        yield
    except (ValueError, OSError, InstantiationException) as error:
        is_searched = any(key.partition(".")[0] == "data" for key in trial.searched)
        is_of_images = isinstance(error.__cause__ or error, _UNREADABLE)  # of what Hydra calls, it is the cause
        if trial.number is None or job.final or is_searched or not is_of_images:
            raise
        raise SweepError(errors.one_line(error)) from error


def _newest(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    """Return the path and the content of the newest undamaged checkpoint in `folder`."""
    damaged = []
    path, last = None, {}
    for found in (folder / name for name in CHECKPOINTS):
        try:
            path, last = found, checkpoint.load(found)
            break
        except FileNotFoundError:
            path = None
        except checkpoint.CheckpointError as error:
            path = None
            damaged.append(f"{error}, kept as {_set_aside(found).name}")
    if damaged:
        log.warning("%s; training continues from %s", "; ".join(damaged), "the start" if path is None else path.name)
    return path, last


def _set_aside(path: Path) -> Path:
    """Rename a damaged file, so that it is neither read again nor overwritten, and return its new path."""
    names = (path.with_name(f"{path.name}.damaged{f'-{number}' if number > 1 else ''}") for number in itertools.count(1))
    return path.rename(next(name for name in names if not name.exists()))


def _with_present_names(last: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint with today's keys; an earlier version called the seconds of an epoch or a rung `seconds`."""
    present = {"rungs": "rung_seconds", "history": "epoch_seconds"}
    renamed = {
        part: [{name if key == "seconds" else key: value for key, value in past.items()} for past in last.get(part, [])]
        for part, name in present.items()
    }
    return {**last, **renamed}


def _reread(stored: Mapping[str, Any], job: Job) -> Mapping[str, Any]:
    """Return the config stored in a checkpoint as today's config files would compose it."""
    choices = {group: option for group, option in job.choices.items() if group in run_config.GROUPS}
    with suppress(OSError, ConfigError):
        choices, _ = run_config.read(job.output_dir / "artifacts" / "config.yaml")
    try:
        composed = composition.compose([f"{group}={option}" for group, option in choices.items()])
        # The chosen options have the functions: a stored one may be unknown by now, and is compared by itself.
        set_stored(composed, {key: value for key, value in stored.items() if not key.endswith("_target_")})
        reread: dict[str, Any] = json.loads(run_config.fingerprint(composition.typed(composed), is_final=job.final))
    except Exception:  # an option no longer exists, so its values are unknown, and every new key is a difference
        return stored
    return reread
