"""`densenet-sweep compare [STUDY] [--top N]`: the trials of a study, best first, in the terminal."""

import argparse
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from densenet_sweep.compare import analysis
from densenet_sweep.compare.studies import find
from densenet_sweep.sweep.first_trials import WARM_START

if TYPE_CHECKING:
    import optuna

_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}

# As many different reasons for failures as one wants to read below the table.
_SHOWN_FAILURES = 5

_WIDTH_OF_A_FILE = 120


def main(arguments: list[str]) -> None:
    """Print the leaderboard of the study that `arguments` name.

    Raises:
        ValueError: no such study, or nothing to show of it.
    """
    parser = argparse.ArgumentParser(prog="densenet-sweep compare", description=__doc__)
    parser.add_argument("study", nargs="?", metavar="STUDY", help="its name; the study used last unless given")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many trials to show (10)")
    asked = parser.parse_args(arguments)
    if asked.top < 1:
        raise ValueError(f"--top {asked.top}: a whole number of at least 1 is accepted")
    show(find(asked.study).load(), top=asked.top)


def show(study: "optuna.Study", *, top: int = 10, console: Console | None = None) -> None:
    """Print the `top` trials of `study`, how many there are in each state, and how far apart they must be to differ."""
    console = console or wide_console()
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name in _STATES]
    ranked = _ranked(study, trials)
    parameters = sorted({name for trial in trials for name in trial.params})
    table = Table(
        title=f"study {escape(study.study_name)}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    objectives = _objectives(study)
    for heading in ("trial", *objectives, *_short(parameters), "weights", "epochs", "seconds", "state"):
        # Broken at its underscores a heading is hardly wider than its numbers, so that 80 columns are enough. Where they are
        # not, what was searched is folded; the rest stays readable.
        is_searched = heading in _short(parameters)
        table.add_column(
            escape(heading.replace("_", "\n")),
            justify="left" if heading == "state" else "right",
            vertical="bottom",
            no_wrap=not is_searched,
            overflow="fold",
            min_width=None if is_searched else _width(heading),
        )
    front = {trial.number for trial in study.best_trials} if len(objectives) > 1 else set()
    for trial in ranked[:top]:
        values = [_value(value) for value in trial.values or []] or [""] * len(objectives)
        cells = (
            str(trial.number),
            *values,
            *(_number(trial.params.get(name)) for name in parameters),
            _number(trial.user_attrs.get("num_parameters")),
            str(max(trial.intermediate_values, default="")),
            _number(trial.user_attrs.get("seconds")),
            _state(trial, front),
        )
        table.add_row(*map(escape, cells), style=None if trial.state.name == "COMPLETE" else "dim")
    console.print(table)
    counts = Counter(_STATES[trial.state.name] for trial in trials)
    console.print(", ".join(f"{counts[state]} {state}" for state in _STATES.values() if counts[state]))
    for reason, numbers in list(_failures(trials).items())[:_SHOWN_FAILURES]:
        which = f"trial{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
        console.print(f"{which} failed: {reason}", markup=False, highlight=False)
    if front:
        console.print(
            f"{len(front)} of {counts['complete']} complete trials are on the Pareto front: no other is better in one "
            "objective and as good in the rest.",
            highlight=False,
        )
    noise = _noise(study, ranked)
    for line in [*([noise] if noise else []), *analysis.sentences(study)]:
        console.print(line, highlight=False, markup=False)


def wide_console() -> Console:
    """Return the terminal's console; a file has no width, and what reads it has no need to fold."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, _WIDTH_OF_A_FILE))


def _ranked(study: "optuna.Study", trials: list["optuna.trial.FrozenTrial"]) -> list["optuna.trial.FrozenTrial"]:
    """Return complete trials best first (the Pareto front, where there is one), pruned ones by their last value, the rest."""
    sign = -1 if study.directions[0].name == "MAXIMIZE" else 1
    order = list(_STATES)

    front = {trial.number for trial in study.best_trials} if len(study.directions) > 1 else set()

    def key(trial: "optuna.trial.FrozenTrial") -> tuple[int, bool, float, int]:
        value = trial.values[0] if trial.values else math.inf * sign
        return order.index(trial.state.name), trial.number not in front, sign * value, trial.number

    return sorted(trials, key=key)


def _noise(study: "optuna.Study", ranked: list["optuna.trial.FrozenTrial"]) -> str:
    """Return what a difference of two accuracies must exceed, from the size of the validation split; or nothing."""
    complete = [trial for trial in ranked if trial.state.name == "COMPLETE" and trial.values]
    objective = study.user_attrs.get("config", {}).get("objective")
    if objective != "valid_accuracy" or len(study.directions) > 1 or not complete:
        return ""
    accuracy, num_valid = complete[0].values[0], complete[0].user_attrs.get("num_valid")
    if not num_valid or not 0 < accuracy < 1:
        return ""
    deviation = math.sqrt(accuracy * (1 - accuracy) / num_valid)
    # Two accuracies differ for certain, as people use the word, by two standard deviations of their difference.
    close = sum(accuracy - trial.values[0] < 2 * math.sqrt(2) * deviation for trial in complete[1:])
    verdict = f"{close} of the other complete trials cannot be told from the best" if close else "the best stands out"
    return (
        f"One accuracy on {num_valid:,} validation images is uncertain by {deviation:.4f} (one standard deviation, from the "
        f"number of images alone): {verdict}."
    )


def _short(names: list[str]) -> list[str]:
    """Return the last parts of override paths where they tell the parameters apart."""
    last = [name.rpartition(".")[2] for name in names]
    return last if len(set(last)) == len(last) else names


def _objectives(study: "optuna.Study") -> list[str]:
    """Return a heading for each objective: `value` for a single one."""
    if len(study.directions) == 1:
        return ["value"]
    named = study.user_attrs.get("config", {}).get("objective")
    is_named = isinstance(named, list) and len(named) == len(study.directions)
    return [str(name) for name in named] if is_named else [f"value {index}" for index in range(len(study.directions))]


def _width(heading: str) -> int:
    """Return how wide the cells below `heading` may become."""
    return {"trial": 5, "value": 6, "weights": 9, "epochs": 6, "seconds": 7, "state": 8}.get(heading, 6)


def _state(trial: "optuna.trial.FrozenTrial", front: set[int]) -> str:
    if trial.number in front:
        return "front"
    if str(trial.user_attrs.get("reason", "")).startswith("infeasible"):
        return "too big"
    origin = trial.user_attrs.get(WARM_START)
    return f"{_STATES[trial.state.name]} ({origin})" if origin else _STATES[trial.state.name]


def _value(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.0f}"


def _number(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _failures(trials: list["optuna.trial.FrozenTrial"]) -> dict[str, list[int]]:
    """Return the numbers of the failed trials under each reason that they had."""
    failures: dict[str, list[int]] = {}
    for trial in trials:
        if trial.state.name == "FAIL":
            failures.setdefault(str(trial.user_attrs.get("reason", "no reason is known")), []).append(trial.number)
    return failures
