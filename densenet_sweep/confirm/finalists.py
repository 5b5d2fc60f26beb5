"""The finalists of a study: its best complete trials, each as an option file of the group `experiment`.

A confirmation's folder holds these files, the sweep file that repeats them, and `finalists.yaml`, which describes them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from densenet_sweep.config.metrics import on_test
from densenet_sweep.confirm.pairs import looks
from densenet_sweep.results import ranking
from densenet_sweep.results.studies import CONFIRMATIONS, OUTPUTS
from densenet_sweep.results.study import Study
from densenet_sweep.run.carried import Carried

FINALISTS = "finalists.yaml"

# The verdict, which names the champion.
VERDICT = "confirmation.json"

# The option of the champion, beside those of the finalists.
CHAMPION = "champion"

# Most configurations of one confirmation, so that more of them can be added to it later.
_MOST = 50

# The same where each of them is an option for every value of a column.
_MOST_LEFT_OUT = 10


@dataclass(frozen=True)
class Finalist:
    """A trial of the sweep; `value` is its objective there, and `thresholds` are what it chose on its validation images."""

    trial: int
    value: float
    params: dict[str, Any]
    num_parameters: int | None
    thresholds: list[float] | None = None

    @property
    def option(self) -> str:
        """The name of its option in the group `experiment`."""
        return f"trial_{self.trial}"


@dataclass(frozen=True)
class Finalists:
    """The complete trials of `study`, best first, when `num_finished` of its trials were finished; `images` are its.

    With a `column`, each is trained without one of its `values` at a time; see `leave_out`. With a `test_fraction`, each seed
    also draws its own test images, so many of all. With `planned` seeds, these are added one by one until it is decided which
    finalist is best. `study_id` tells the study from others of its name.
    """

    study: str
    objective: str
    num_finished: int
    trials: tuple[Finalist, ...]
    images: dict[str, str] = field(default_factory=dict)
    column: str = ""
    values: tuple[str, ...] = ()
    test_fraction: float | None = None
    planned: tuple[int, ...] = ()
    study_id: str | None = None

    def without(self, column: str, values: Sequence[str]) -> "Finalists":
        """Return these finalists, to be trained without each of the values of a column."""
        return replace(self, trials=self.trials[:_MOST_LEFT_OUT], column=column, values=tuple(values))

    def option(self, finalist: Finalist, index: int) -> str:
        """Return the name of the option that trains a finalist without the value of this index."""
        return f"{finalist.option}_without_{index}"

    @property
    def seeded(self) -> tuple[str, ...]:
        """The keys that a seed gives a value."""
        return ("seed",) if self.test_fraction is None else ("seed", "data.split_seed")

    def run(self, option: str, seed: int) -> dict[str, Any]:
        """Return the values that an option with a seed stands for."""
        return {"experiment": option, **dict.fromkeys(self.seeded, seed)}

    def by_option(self) -> dict[str, Finalist]:
        """Return the finalists by the names of their options."""
        if self.column:
            return {name: finalist for name, (finalist, _) in self.by_option_and_value().items()}
        return {finalist.option: finalist for finalist in self.trials}

    def by_option_and_value(self) -> dict[str, tuple[Finalist, str]]:
        """Return by option the finalist, and the value that is left out."""
        return {
            self.option(finalist, index): (finalist, value)
            for finalist in self.trials
            for index, value in enumerate(self.values)
        }


def select(study: Study) -> Finalists:
    """Return the finalists of `study`.

    Raises:
        ValueError: no trial of it is complete.
    """
    rows = ranking.rows(study)
    complete = tuple(
        Finalist(row.number, row.values[0], row.params, row.num_parameters, list(study.trials[row.number].thresholds) or None)
        for row in rows
        if row.is_complete
    )
    if not complete:
        raise ValueError(f"{study.name}: has no complete trial, so there is nothing to confirm")
    return Finalists(
        study.name, study.objectives[0], len(study.finished), complete[:_MOST], dict(study.images), study_id=study.id
    )


def write(
    folder: Path, finalists: Finalists, *, top: int, seeds: Sequence[int], command: str, is_until_decided: bool = False
) -> None:
    """Write into `folder`, beside the option files, the sweep that runs the `top` best with each of `seeds`.

    If it runs until it is decided, only those of the first look are enqueued, and the others are the most that may be added.

    Raises:
        OSError: the folder cannot be written.
    """
    chosen = [finalist.trial for finalist in finalists.trials[:top]]
    names = [name for name, finalist in finalists.by_option().items() if finalist.trial in chosen]
    sweeper = {
        "study_name": folder.name,
        "n_trials": len(names) * len(seeds),
        "command": command,
        # Seed by seed, so that an interrupted confirmation has trained all finalists equally often.
        "enqueue": [
            finalists.run(name, seed) for seed in (looks(seeds)[0].seeds if is_until_decided else seeds) for name in names
        ],
        "params": {
            "experiment": f"choice({','.join(finalists.by_option())})",
            **dict.fromkeys(finalists.seeded, f"int(interval(0,{2**31 - 1}))"),
        },
    }
    path = folder / "sweep" / "finalists.yaml"
    # One that an earlier version began compares accuracies, whatever its sweep optimized.
    is_earlier = path.is_file() and "objective" not in yaml.safe_load(path.read_text(encoding="utf-8"))
    has_own = on_test(finalists.objective) != "test_accuracy" and not is_earlier
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {**({"objective": finalists.objective} if has_own else {}), "hydra": {"sweeper": sweeper}}
    path.write_text(f"# @package _global_\n{yaml.safe_dump(content, sort_keys=False)}", encoding="utf-8")
    described = {**asdict(finalists), "trials": [asdict(finalist) for finalist in finalists.trials]}
    described |= {"values": list(finalists.values), "planned": list(finalists.planned)}
    (folder / FINALISTS).write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")


def read(folder: Path) -> Finalists | None:
    """Return the finalists of the confirmation in `folder`, or None if there is none."""
    try:
        described = yaml.safe_load((folder / FINALISTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    trials = tuple(Finalist(**finalist) for finalist in described.pop("trials"))
    values, planned = (tuple(described.pop(key, ())) for key in ("values", "planned"))
    return Finalists(trials=trials, values=values, planned=planned, **described)


def folder_of(name: str, outputs: Path = OUTPUTS) -> Path:
    """Return the folder of the confirmation called `name`."""
    return outputs / CONFIRMATIONS / name


def option_file(folder: Path, option: str) -> Path:
    """Return where the confirmation in `folder` keeps the config that is called `option`."""
    return folder / "experiment" / f"{option}.yaml"


def described(folder: Path, choices: Mapping[str, str], seed: int) -> dict[str, Any]:
    """Return the name and the tags of a run of the confirmation in `folder`; empty if there is none."""
    finalists = read(folder)
    if finalists is None:
        return {}
    finalist = finalists.by_option()[choices["experiment"]]
    tags = {"confirms": finalists.study, "confirms.trial": str(finalist.trial)}
    tags |= {} if finalists.study_id is None else {"confirms.id": finalists.study_id}
    if not finalists.column:
        return {"name": f"trial {finalist.trial}, seed {seed}", "tags": tags}
    _, value = finalists.by_option_and_value()[choices["experiment"]]
    return {"name": f"trial {finalist.trial} without {value}", "tags": {**tags, f"without.{finalists.column}": value}}


def images(folders: Sequence[Path], choices: Mapping[str, str]) -> dict[str, Any]:
    """Return the name of the sweep and its images, if a confirmation of it in one of `folders` has the chosen experiment."""
    for finalists in filter(None, map(read, folders)):
        if choices.get("experiment") in (CHAMPION, *finalists.by_option()):
            return {"sweep": finalists.study, "images": finalists.images}
    return {}


def thresholds(folders: Sequence[Path], choices: Mapping[str, str]) -> Carried | None:
    """Return the thresholds that a final run of the chosen experiment takes from its trial; None without a confirmation."""
    for folder in folders:
        finalists = read(folder)
        finalist = None if finalists is None else _chosen(folder, finalists, choices.get("experiment"))
        if finalists is None or finalist is None:
            continue
        name = f"trial {finalist.trial} of study {finalists.study}"
        if finalists.column or finalists.test_fraction is not None:
            return Carried(None, f"{name} chose them on pictures that may be among those that are tested here")
        if finalist.thresholds is None:
            return Carried(None, f"{name} has left none")
        return Carried(tuple(finalist.thresholds), f"the validation images of {name}")
    return None


def _chosen(folder: Path, finalists: Finalists, option: str | None) -> Finalist | None:
    """Return the finalist that an option of the confirmation in `folder` trains, or None."""
    if option != CHAMPION:
        return finalists.by_option().get(option or "")
    try:
        trial = json.loads((folder / VERDICT).read_text(encoding="utf-8"))["champion"]
    except (OSError, ValueError, KeyError):  # of another folder
        return None
    return next((it for it in finalists.trials if it.trial == trial), None)
