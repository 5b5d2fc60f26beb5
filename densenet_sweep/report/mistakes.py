"""What the best network got wrong: the pictures with the highest loss, which its run has drawn; see `run.mistakes`."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from densenet_sweep.confirm import finalists
from densenet_sweep.confirm.verdict import Verdict
from densenet_sweep.results import ranking, studies
from densenet_sweep.results.studies import OUTPUTS
from densenet_sweep.results.study import Study
from densenet_sweep.run.artifacts import MISTAKES

log = logging.getLogger("densenet_sweep")


@dataclass(frozen=True)
class Shown:
    """The content of a PNG file, and whose pictures they are."""

    title: str
    still: bytes


# Returns the picture of a run by its id in MLflow, or None.
FromStore = Callable[[str], bytes | None]


def from_store(uri: str | None) -> FromStore:
    """Return what reads pictures from the MLflow store at `uri`; a store that fails costs a warning, and is not read again."""
    failed: list[str] = []

    def read(run_id: str) -> bytes | None:
        if uri is None or failed:
            return None
        from densenet_sweep.tracking import kept_files

        try:
            return kept_files.read(uri, run_id, MISTAKES)
        except ConnectionError as error:
            failed.append(str(error))
            log.warning("%s; the report lacks the pictures with the highest loss", error)
            return None

    return read


def of_study(study: Study, folder: Path | None, stored: FromStore) -> list[Shown]:
    """Return the validation pictures of the best complete trial, where its run drew some: below `folder`, or else in MLflow."""
    best = next((row.number for row in ranking.rows(study) if row.is_complete), None)
    if best is None:
        return []
    return _of_run(study, best, folder, stored, f"What trial {best} got wrong: validation pictures")


def of_confirmations(verdicts: Sequence[Verdict], stored: FromStore, outputs: Path = OUTPUTS) -> list[Shown]:
    """Return the test pictures of each champion, as its first run got them wrong."""
    shown = []
    for found in studies.found(outputs):
        confirmed = finalists.read(found.folder)
        for verdict in verdicts:
            if confirmed is None or verdict.finalists != confirmed or verdict.champion is None:
                continue
            champion = verdict.results[verdict.champion]
            seed, number = next(iter(champion.trials.items()))
            title = f"What the champion, trial {champion.finalist.trial}, got wrong with seed {seed}: test pictures"
            shown += _of_run(studies.values_of(found), number, found.folder, stored, title)
    return shown


def all_of(study: Study, verdicts: Sequence[Verdict], uri: str | None, outputs: Path = OUTPUTS) -> list[Shown]:
    """Return those of a study and of its confirmations, from `outputs` or else from the MLflow store at `uri`."""
    folder = next((found.folder for found in studies.found(outputs) if found.name == study.name), None)
    stored = from_store(uri)
    return [*of_confirmations(verdicts, stored, outputs), *of_study(study, folder, stored)]


def _of_run(study: Study, number: int, folder: Path | None, stored: FromStore, title: str) -> list[Shown]:
    if folder is not None:
        with suppress(OSError):
            return [Shown(title, (study.trials[number].folder_in(folder) / "artifacts" / MISTAKES).read_bytes())]
    run_id = study.trials[number].run_id
    still = None if run_id is None else stored(run_id)  # None, too, of an older version, or with tracking.keep_mistakes=0
    return [] if still is None else [Shown(title, still)]
