"""What the best network got wrong: the pictures with the highest loss, which its run has drawn; see `run.mistakes`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from densenet_sweep.confirm import finalists
from densenet_sweep.confirm.verdict import Verdict
from densenet_sweep.results import ranking, studies
from densenet_sweep.results.studies import OUTPUTS
from densenet_sweep.results.study import Study
from densenet_sweep.run.artifacts import MISTAKES


@dataclass(frozen=True)
class Shown:
    """The content of a PNG file, and whose pictures they are."""

    title: str
    still: bytes


def of_study(study: Study, folder: Path) -> list[Shown]:
    """Return the validation pictures of the best complete trial, where its run below `folder` drew some."""
    best = next((row.number for row in ranking.rows(study) if row.is_complete), None)
    return [] if best is None else _of_run(folder / str(best), f"What trial {best} got wrong: validation pictures")


def of_confirmations(verdicts: Sequence[Verdict], outputs: Path = OUTPUTS) -> list[Shown]:
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
            shown += _of_run(found.folder / str(number), title)
    return shown


def all_of(study: Study, verdicts: Sequence[Verdict], outputs: Path = OUTPUTS) -> list[Shown]:
    """Return those of a study below `outputs` and of its confirmations."""
    folder = next((found.folder for found in studies.found(outputs) if found.name == study.name), None)
    return [*of_confirmations(verdicts, outputs), *([] if folder is None else of_study(study, folder))]


def _of_run(folder: Path, title: str) -> list[Shown]:
    try:
        return [Shown(title, (folder / "artifacts" / MISTAKES).read_bytes())]
    except OSError:  # of an older version, or with tracking.keep_mistakes=0
        return []
