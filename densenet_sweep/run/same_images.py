"""Refuses a run on other images than those of its earlier start, of the other trials, or of the sweep that it repeats."""

from collections.abc import Mapping
from typing import Any

from hydra_async_sweeper import current_trial

from densenet_sweep.config.data_sections import DataConfig
from densenet_sweep.run import resume
from densenet_sweep.run.identity import read_as
from densenet_sweep.run.recording import Job
from densenet_sweep.run.splits import OfRun


def check(data: DataConfig, images: OfRun, last: Mapping[str, Any], job: Job) -> None:
    """Refuse other images; of a final run in a study, which compares runs by their test images, those, too.

    Args:
        data: how they were read.
        images: of the run.
        last: the checkpoint of an earlier start, or nothing.
        job: of the run.

    Raises:
        ConfigError: they are not those of an earlier start.
        SweepError: they are not those of the other trials, or of the sweep.
        ValueError, OSError: test images cannot be read.
    """
    trial = current_trial()
    digest_is = f"data.root={data.root}: the digest of its images is"
    resume.check_same_as_sweep(read_as(data), images.digest, digest_is, job)
    trial.hold_to(read_as(data), images.digest, digest_is)
    resume.check_same(last, "images", images.digest, digest_is, job)
    if job.final and trial.number is not None:
        # Other splits are another key: each seed may draw test images of its own, or each value of a column have some.
        digest = images.source.load_test.digest
        trial.hold_to(f"test {read_as(data)}", digest, f"data.root={data.root}: the digest of its test images is")
