"""`densenet-sweep compare [STUDY] [--top N]`: the trials of a study, best first, in the terminal."""

import argparse
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from densenet_sweep.compare.studies import find

if TYPE_CHECKING:
    import optuna

_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}


def main(arguments: list[str]) -> None:
    """Print the leaderboard of the study that `arguments` name.

    Raises:
        ValueError: no such study.
    """
    parser = argparse.ArgumentParser(prog="densenet-sweep compare", description=__doc__)
    parser.add_argument("study", nargs="?", metavar="STUDY", help="its name; the study used last unless given")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many trials to show (10)")
    asked = parser.parse_args(arguments)
    show(find(asked.study).load(), top=asked.top)


def show(study: "optuna.Study", *, top: int = 10, console: Console | None = None) -> None:
    """Print the `top` trials of `study`, how many there are in each state, and how far apart they must be to differ."""
    console = console or Console()
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name in _STATES]
    ranked = _ranked(study, trials)
    parameters = sorted({name for trial in trials for name in trial.params})
    table = Table(
        title=f"study {study.study_name}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    for heading in ("trial", "value", *_short(parameters), "weights", "epochs", "seconds", "state"):
        table.add_column(heading, justify="left" if heading == "state" else "right", no_wrap=heading != "state")
    for trial in ranked[:top]:
        table.add_row(
            str(trial.number),
            _values(trial),
            *(_number(trial.params.get(name)) for name in parameters),
            _number(trial.user_attrs.get("num_parameters")),
            str(max(trial.intermediate_values, default="")),
            _number(trial.user_attrs.get("seconds")),
            _state(trial),
            style=None if trial.state.name == "COMPLETE" else "dim",
        )
    console.print(table)
    counts = Counter(_STATES[trial.state.name] for trial in trials)
    console.print(", ".join(f"{counts[state]} {state}" for state in _STATES.values() if counts[state]))
    noise = _noise(ranked)
    if noise:
        console.print(noise)


def _ranked(study: "optuna.Study", trials: list["optuna.trial.FrozenTrial"]) -> list["optuna.trial.FrozenTrial"]:
    """Return complete trials best first, then pruned ones by their last value, then the rest."""
    sign = -1 if study.directions[0].name == "MAXIMIZE" else 1
    order = list(_STATES)

    def key(trial: "optuna.trial.FrozenTrial") -> tuple[int, float, int]:
        value = trial.values[0] if trial.values else math.inf * sign
        return order.index(trial.state.name), sign * value, trial.number

    return sorted(trials, key=key)


def _noise(ranked: list["optuna.trial.FrozenTrial"]) -> str:
    """Return what a difference of two accuracies must exceed, from the size of the validation split; or nothing."""
    best = ranked[0] if ranked else None
    if best is None or not best.values or not 0 < best.values[0] < 1 or not best.user_attrs.get("num_valid"):
        return ""
    accuracy, num_valid = best.values[0], best.user_attrs["num_valid"]
    deviation = math.sqrt(accuracy * (1 - accuracy) / num_valid)
    close = sum(bool(trial.values) and accuracy - trial.values[0] < 2 * math.sqrt(2) * deviation for trial in ranked)
    return (
        f"One accuracy on {num_valid:,} validation images is uncertain by {deviation:.4f} (one standard deviation, from the "
        f"number of images alone): {close} of these trials cannot be told from the best."
    )


def _short(names: list[str]) -> list[str]:
    """Return the last parts of override paths where they tell the parameters apart."""
    last = [name.rpartition(".")[2] for name in names]
    return last if len(set(last)) == len(last) else names


def _values(trial: "optuna.trial.FrozenTrial") -> str:
    return " ".join(f"{value:.4f}" for value in trial.values) if trial.values else ""


def _number(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _state(trial: "optuna.trial.FrozenTrial") -> str:
    reason = str(trial.user_attrs.get("reason", "")) if trial.state.name == "FAIL" else ""
    return f"failed: {reason[:60]}" if reason else _STATES[trial.state.name]
