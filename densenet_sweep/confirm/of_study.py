"""The confirmations of a study: their verdicts, and every reading of the test set by one of their runs."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from densenet_sweep.confirm.finalists import Finalists, read
from densenet_sweep.confirm.verdict import Verdict, reach
from densenet_sweep.results import studies
from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.studies import OUTPUTS
from densenet_sweep.results.study import Study


@dataclass(frozen=True)
class Confirmation:
    """A confirmation, with its finalists and its runs as the trials of a study in `folder`."""

    name: str
    folder: Path
    study: Study
    finalists: Finalists


@dataclass(frozen=True)
class Reading:
    """A run that has read the test set: run `number` of a confirmation.

    Attributes:
        confirmation: its name.
        number: of the run.
        about: what it trained, such as "trial 3, seed 1000".
        metric: of the result.
        value: on the test set.
        num_images: in it; None if unknown.
        date: of its end; None if unknown.
        seconds: of training; None if unknown.
        run_id: in MLflow; None if it has none.
    """

    confirmation: str
    number: int
    about: str
    metric: str
    value: float
    num_images: int | None
    date: datetime.datetime | None
    seconds: float | None
    run_id: str | None


def confirmations(name: str, outputs: Path = OUTPUTS) -> list[Confirmation]:
    """Return the confirmations of the study `name` below `outputs`, last used first."""
    found = []
    for it in studies.found(outputs):
        finalists = read(it.folder)
        if finalists is not None and finalists.study == name:
            found.append(Confirmation(it.name, it.folder, read_study(it.load()), finalists))
    return found


def verdicts(found: Sequence[Confirmation]) -> list[Verdict]:
    """Return the verdicts of those that have one; leaving out a value of a column names no champion."""
    reached = [reach(it.study, it.folder, it.finalists) for it in found if not it.finalists.column]
    return [verdict for verdict in reached if verdict.results]


def readings(found: Sequence[Confirmation]) -> list[Reading]:
    """Return the complete runs, the first to end first; each has read the test set once, after its last epoch."""
    listed = [
        Reading(
            confirmation=it.name,
            number=trial.number,
            about=_about(it.finalists, str(trial.params["experiment"]), trial.params.get("seed")),
            metric=it.study.objectives[0],
            value=trial.values[0],
            num_images=trial.num_test,
            date=trial.end,
            seconds=trial.own_seconds,
            run_id=trial.run_id,
        )
        for it in found
        for trial in it.study.complete
    ]
    return sorted(listed, key=lambda it: (it.date or datetime.datetime.max, it.confirmation, it.number))


def _about(finalists: Finalists, option: str, seed: object) -> str:
    if finalists.column:
        finalist, value = finalists.by_option_and_value()[option]
        return f"trial {finalist.trial} without {finalists.column} {value}, seed {seed}"
    return f"trial {finalists.by_option()[option].trial}, seed {seed}"
