"""The study's pictures beside its parent run in MLflow: a Hydra callback that stores them when a sweep has ended."""

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from densenet_sweep.tracking import configured
from densenet_sweep.tracking.parent_run import ParentRun
from densenet_sweep.tracking.store import cause, failures, redacted
from densenet_sweep.tracking.study_runs import StudyKey

if TYPE_CHECKING:
    from densenet_sweep.results.study import Study

log = logging.getLogger("densenet_sweep")

# The run of a study keeps the report, and this folder.
FOLDER = "pictures"


class StorePictures(Callback):
    """Stores PNG files and the report of an ended or interrupted study with its parent run.

    Does nothing for `tracking=none`, for repetitions, which search nothing, or if no trial has ended; a failure costs a
    warning.
    """

    def on_study_end(self, config: DictConfig, study_name: str, sweep_dir: str, **_: Any) -> None:
        """Draw and store them."""
        tracking = configured.section(config)
        if not tracking:
            return
        from densenet_sweep.results.from_optuna import read_study
        from densenet_sweep.results.studies import FoundStudy

        study = read_study(FoundStudy(study_name, Path(sweep_dir), config.hydra.sweeper.storage).load())
        if study.is_repeated or not study.finished:
            return
        log.info("drawing the pictures of the study")
        uri = str(tracking["uri"])
        expected: tuple[type[Exception], ...] = (*failures(), ValueError)
        try:
            parent = configured.find_parent(tracking, StudyKey(study.name, study.id))
            if parent is not None:
                _store(parent, study, Path(sweep_dir), uri)
        except expected as error:
            message = f"tracking.uri={redacted(uri)}: the pictures of the study are not stored"
            log.warning("%s (%s); densenet-sweep compare --html FILE draws them", message, cause(error))


def _store(parent: ParentRun, study: "Study", sweep_dir: Path, uri: str) -> None:
    from hydra_async_sweeper.application import read_study_file

    from densenet_sweep.confirm import of_study
    from densenet_sweep.report import mistakes
    from densenet_sweep.report import page as report
    from densenet_sweep.report.pictures import draw
    from densenet_sweep.results import provenance
    from densenet_sweep.tracking.run import REPORT

    drawn = draw(study)
    found = read_study_file(sweep_dir)
    known = provenance.read(study, uri)
    wrong = mistakes.of_study(known.study, sweep_dir, mistakes.from_store(uri))
    readings = of_study.readings(of_study.confirmations(study.name))
    reported = report.Reported(known.study, found.command, known.tags, drawn, wrong=wrong, readings=readings, runs=known.runs)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"  # MLflow copies its mode, and the temporary folder is closed to others
        (folder / FOLDER).mkdir(parents=True)
        for it in drawn:
            (folder / FOLDER / f"{it.picture.name}.png").write_bytes(it.still)
        report.write(folder / REPORT, [reported])
        parent.keep_all(folder)
