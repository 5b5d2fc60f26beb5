"""A confirmation as text: a table of the finalists, and the conclusions in sentences."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from densenet_sweep.config.metrics import METRICS
from densenet_sweep.confirm.pairs import Pair
from densenet_sweep.confirm.statistics import LEVEL
from densenet_sweep.confirm.verdict import Result, Verdict
from densenet_sweep.counts import counted
from densenet_sweep.results.formatting import cell, headings, value
from densenet_sweep.results.leaderboard import fits

# The title of the second table.
PAIRS = "pairs on the same test images; P(A > B) given these runs"

# More than those of five finalists are too many to read.
_MOST_PAIRS = 10


def show(verdict: Verdict, console: Console) -> None:
    """Print the table and the sentences."""
    if verdict.results:
        table = _table(verdict, gap=1)
        console.print(table if fits(table, console) else _table(verdict, gap=0))
    if verdict.pairs:
        console.print(_table_of_pairs(verdict))
    for line in sentences(verdict):
        console.print(line, highlight=False, markup=False)


def sentences(verdict: Verdict) -> list[str]:
    """Return the conclusions from the table as sentences."""
    lines = [f"run {number} failed: {reason}" for number, reason in verdict.failures.items()]
    lines += [verdict.remark] if verdict.remark else []
    if verdict.num_missing:
        verb = "is" if verdict.num_missing == 1 else "are"
        lines.append(f"{counted(verdict.num_missing, 'run')} {verb} still to come, so no champion is named.")
    if not verdict.results:
        return [*lines, "No finalist has been trained twice."]
    images = counted(verdict.results[0].runs.num_images, "test image")
    if verdict.finalists.test_fraction is not None:
        images = f"{_num_seeds(verdict)}, each with test images of its own"
    best = verdict.results[0].finalist.trial
    tested = f"on {images} ({_method(verdict)})"
    others = [verdict.results[index].finalist.trial for index in verdict.equals if index != 0]
    if others:
        which = f"Trial {others[0]} cannot" if len(others) == 1 else f"Trials {_listed(others)} cannot"
        lines.append(f"{which} be told from the best mean, trial {best}'s, {tested}.")
    elif len(verdict.results) > 1:
        lines.append(f"Trial {best} stands out from the others {tested}.")
    if verdict.champion is not None:
        champion = verdict.results[verdict.champion]
        label = METRICS[verdict.metric].label
        size = f" with {counted(champion.finalist.num_parameters, 'weight')}" if champion.finalist.num_parameters else ""
        why = "the smallest of these" if others else "the best" if len(verdict.results) > 1 else "the only finalist"
        lines.append(
            f"Champion: trial {champion.finalist.trial},{size} {why}. {label[0].upper()}{label[1:]} {champion.runs.mean:.4f} ± "
            f"{champion.runs.deviation:.4f} over {counted(len(champion.runs.values_S), 'seed')}; the mean is "
            f"known to within {champion.runs.half_interval():.4f} (95 %)."
        )
    if verdict.champion:
        side = "below" if METRICS[verdict.metric].direction == "maximize" else "above"
        behind = abs(verdict.results[0].runs.mean - champion.runs.mean)
        more = "" if verdict.finalists.planned else "; more --seeds would tell more"
        lines.append(f"Its mean is {behind:.4f} {side} the best one's, which is within the noise{more}.")
    if verdict.finalists.objective == verdict.metric.replace("test_", "valid_", 1):
        lines.append(_selection_bias(verdict))
    return lines


def markdown(verdict: Verdict) -> str:
    """Return the table and the sentences as Markdown, for a page in MLflow."""
    tables = [(title(verdict), *rows(verdict)), (PAIRS, *rows_of_pairs(verdict))]
    texts = [part for heading, headings, cells in tables if cells for part in (f"**{heading}**", _markdown(headings, cells))]
    return "\n\n".join([*texts, *sentences(verdict)])


def _markdown(headings: list[str], cells: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_object(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as plain values, for a JSON file."""
    return {
        "study": verdict.finalists.study,
        "champion": None if verdict.champion is None else verdict.results[verdict.champion].finalist.trial,
        "finalists": [_entry(verdict, index) for index in range(len(verdict.results))],
        "pairs": [_pair_entry(pair) for pair in verdict.pairs],
        "runs_missing": verdict.num_missing,
        "runs_failed": dict(verdict.failures),
        "says": sentences(verdict),
    }


def _pair_entry(pair: Pair) -> dict[str, Any]:
    return {
        "better": pair.better,
        "other": pair.other,
        "difference": pair.difference.value,
        "half_interval": pair.difference.half_interval(),
        "probability": pair.difference.probability,
        "p_value": pair.p_value,
        "seeds": pair.num_seeds,
        "is_decided": pair.is_decided,
    }


def _entry(verdict: Verdict, index: int) -> dict[str, Any]:
    result = verdict.results[index]
    behind = verdict.behind.get(index)
    return {
        "trial": result.finalist.trial,
        "params": result.finalist.params,
        "num_parameters": result.finalist.num_parameters,
        "test_accuracies" if verdict.metric == "test_accuracy" else verdict.metric: dict(
            zip(result.trials, result.runs.values_S.tolist(), strict=True)
        ),
        "mean": result.runs.mean,
        "deviation": result.runs.deviation,
        "half_interval": result.runs.half_interval(),
        "num_images": result.runs.num_images,
        "behind_the_best": None if behind is None else behind.difference.value,
        "p_value": None if behind is None else behind.p_value,
        "cannot_be_told_from_the_best": index in verdict.equals,
        verdict.finalists.objective: result.finalist.value,
    }


def title(verdict: Verdict) -> str:
    """Return the title, with the confirmed study and the number of seeds."""
    return f"confirmation of {verdict.finalists.study}: {METRICS[verdict.metric].label} over {_num_seeds(verdict)}"


def rows(verdict: Verdict) -> tuple[list[str], list[list[str]]]:
    """Return the headings of the table, and the cells of each finalist in the order of `verdict.results`."""
    searched = sorted({name for result in verdict.results for name in result.finalist.params})
    said = f"sweep's {verdict.finalists.objective}"
    names, own = headings(searched, ["trial", "weights", "mean", "sd", "± 95 %", "behind", "p", said])
    return [own[0], *names, *own[1:]], [_cells(verdict, index, searched) for index in range(len(verdict.results))]


def rows_of_pairs(verdict: Verdict) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the cells of the pairs, the clearest ones last; of many, those with the first finalist."""
    first = verdict.results[0].finalist.trial if verdict.results else None
    shown = [pair for pair in verdict.pairs if len(verdict.pairs) <= _MOST_PAIRS or first in (pair.better, pair.other)]
    cells = [
        [
            f"trial {pair.better} > trial {pair.other}",
            f"{pair.difference.value:.4f}",
            f"{pair.difference.half_interval():.4f}",
            f"{pair.difference.probability:.4f}",
            _p_value(pair),
            str(pair.num_seeds),
            "yes" if pair.is_decided else "no",
        ]
        for pair in sorted(shown, key=lambda pair: pair.difference.probability)
    ]
    return ["A > B", "difference", "± 95 %", "P(A > B)", "p", "seeds", "significant"], cells


def _table_of_pairs(verdict: Verdict) -> Table:
    headings, cells = rows_of_pairs(verdict)
    table = Table(title=PAIRS, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "A > B" else "right", no_wrap=True)
    for row in cells:
        table.add_row(*row)
    return table


def _table(verdict: Verdict, *, gap: int) -> Table:
    headings, cells = rows(verdict)
    table = Table(
        title=escape(title(verdict)),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, gap),
        pad_edge=False,
        collapse_padding=True,
    )
    num_searched = len(headings) - 8
    for index, heading in enumerate(headings):
        table.add_column(
            escape(heading.replace("_", "\n").replace("'s ", "'s\n")),
            justify="right",
            vertical="bottom",
            no_wrap=not 1 <= index <= num_searched,
            overflow="fold",
        )
    for index, row in enumerate(cells):
        table.add_row(*map(escape, row), style=_style(verdict, index))
    return table


def _cells(verdict: Verdict, index: int, searched: list[str]) -> list[str]:
    result: Result = verdict.results[index]
    behind = verdict.behind.get(index)
    return [
        str(result.finalist.trial),
        *(cell(result.finalist.params.get(name)) for name in searched),
        cell(result.finalist.num_parameters),
        f"{result.runs.mean:.4f}",
        f"{result.runs.deviation:.4f}",
        f"{result.runs.half_interval():.4f}",
        "" if behind is None else f"{behind.difference.value:.4f}",
        "" if behind is None else _p_value(behind),
        value(result.finalist.value),
    ]


def _p_value(pair: Pair) -> str:
    return "<0.001" if pair.p_value < 0.001 else f"{pair.p_value:.2g}"


def _style(verdict: Verdict, index: int) -> str | None:
    if index == verdict.champion:
        return "bold"
    return None if index in verdict.equals else "dim"


def _num_seeds(verdict: Verdict) -> str:
    numbers = sorted({len(result.runs.values_S) for result in verdict.results})
    most = counted(numbers[-1], "seed") if numbers else "no seed"
    return most if len(numbers) < 2 else f"{numbers[0]} to {most}"


def _method(verdict: Verdict) -> str:
    number = len(verdict.pairs)
    how = "Welch's t over seeds and images" if verdict.finalists.test_fraction is None else "paired t over splits"
    shared = [f"Holm over {counted(number, 'pair')}"] if number > 1 else []
    planned = verdict.finalists.planned
    shared += [f"looks after each of up to {counted(len(planned), 'seed')}"] if planned else []
    return ", ".join([how, f"{LEVEL:.0%} level".replace("%", " %"), *shared])


def _selection_bias(verdict: Verdict) -> str:
    """Return a sentence on how far the sweep's value of its winner, the best of many on one split, was above its test mean."""
    winner = min(verdict.results, key=lambda result: [it.trial for it in verdict.finalists.trials].index(result.finalist.trial))
    excess = winner.finalist.value - winner.runs.mean
    how = f"{excess:.4f} more than" if excess > 0 else f"{-excess:.4f} less than"
    return (
        f"The sweep had said {winner.finalist.value:.4f} of its best, trial {winner.finalist.trial} (one seed, on the "
        f"validation images that it selected on): {how} the mean on the test set, after training on both."
    )


def _listed(numbers: list[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
