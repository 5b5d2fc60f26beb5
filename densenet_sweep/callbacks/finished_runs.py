"""What a single run and a plain grid show at their end: the result, where it is kept, and the next commands."""

import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra_async_sweeper.readable import shown_path
from omegaconf import DictConfig
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from densenet_sweep.callbacks.sweep_description import objectives
from densenet_sweep.config import composition
from densenet_sweep.config.hydra_private import is_grid
from densenet_sweep.config.metrics import METRICS, best_epoch, direction_of, on_test
from densenet_sweep.counts import counted
from densenet_sweep.results import next_commands
from densenet_sweep.results.formatting import cell, duration, headings, value
from densenet_sweep.results.leaderboard import fits, wide_console
from densenet_sweep.results.next_commands import command, own_folder
from densenet_sweep.run.artifacts import CHECKPOINT


@dataclass(frozen=True)
class _Run:
    """A finished run, from its folder: the metrics of its last epoch, or their means over its folds, and of each epoch."""

    folder: Path
    metrics: Mapping[str, float]
    history: Sequence[Mapping[str, float]]
    run_id: str | None
    overrides: Mapping[str, str]


class ShowRuns(Callback):
    """Prints the end of a single run, and the table of a grid; a sweep has its leaderboard instead."""

    def on_run_end(self, config: DictConfig, **arguments: Any) -> None:
        """Print the result of a run that has come to its end."""
        job_return: JobReturn = arguments["job_return"]
        if job_return.status is not JobStatus.COMPLETED or job_return.hydra_cfg is None:
            return
        run = _read(Path(job_return.hydra_cfg.hydra.runtime.output_dir))
        if run is not None:
            _show_run(run, job_return.return_value, config, wide_console())

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Print a row for each job of a grid, the best first."""
        if not is_grid(str(config.hydra.sweeper._target_)):
            return
        folder = Path(str(config.hydra.sweep.dir))
        runs = [run for path in sorted(folder.rglob(CHECKPOINT)) if (run := _read(path.parent)) is not None]
        if runs:
            _show_grid(runs, folder, config, wide_console())


def _read(folder: Path) -> _Run | None:
    """Return the run in `folder`, or None if it left no checkpoint."""
    from densenet_sweep.training import checkpoint

    try:
        last = checkpoint.load(folder / CHECKPOINT)
    except (OSError, ValueError):
        return None
    folds, history = last.get("folds", []), last.get("history", [])
    if not (folds or history):
        return None
    names = [name for name in (folds or history)[0] if all(name in fold for fold in folds)]
    metrics = {name: statistics.fmean(fold[name] for fold in folds) for name in names} if folds else history[-1]
    if folds:
        metrics["total_seconds"] = folds[-1]["total_seconds"]
    typed: list[str] = []
    with suppress(OSError):
        typed = yaml.safe_load((folder / ".hydra" / "overrides.yaml").read_text(encoding="utf-8")) or []
    overrides = {key.lstrip("+"): text for key, _, text in (str(it).partition("=") for it in typed)}
    return _Run(folder, metrics, history, last.get("run_id"), overrides)


def _show_run(run: _Run, result: Any, config: DictConfig, console: Console) -> None:
    names = objectives(config)
    is_final = not any(name.startswith("valid_") for name in run.metrics)
    if is_final:
        values = {on_test(names[0]): float(result)}
    else:
        values = dict(zip(names, result if isinstance(result, tuple) else (result,), strict=True))
        if _is_of_an_earlier_epoch(run, values):
            run = replace(run, history=(), metrics={})
        values |= {"valid_loss": run.metrics["valid_loss"]} if "valid_loss" in run.metrics else {}
    lines = {"result": ", ".join(f"{METRICS[name].label} {value(number)}" for name, number in values.items())}
    if run.metrics:
        number = counted(len(run.history), "epoch") if run.history else "all folds"
        lines["training"] = (
            f"{number} in {duration(run.metrics['total_seconds'])}, {counted(int(run.metrics['num_parameters']), 'weight')}"
        )
    if not is_final and run.history and names[0] in run.history[0]:
        best = best_epoch(run.history, names[0])
        lines["kept"] = f"the weights after epoch {best + 1}, {METRICS[names[0]].label} {value(run.history[best][names[0]])}"
    if run.run_id is not None:
        lines["run"] = run.run_id
    lines["folder"] = str(shown_path(run.folder.absolute()))
    console.print()
    for word, text in lines.items():
        console.print(f"{word:<9} {text}", highlight=False, markup=False, soft_wrap=True)
    next_commands.show(console, _next(run, config, is_final=is_final))


def _is_of_an_earlier_epoch(run: _Run, values: Mapping[str, float]) -> bool:
    """Return whether the checkpoint is older than the result: a full disk did not take a later one."""
    last = run.history[-1] if run.history else {}
    return any(name.startswith("valid_") and last.get(name, number) != number for name, number in values.items())


def _next(run: _Run, config: DictConfig, *, is_final: bool) -> list[tuple[str, str]]:
    lines = []
    if run.run_id is not None:
        lines += [
            (command("ui", config=config), "look at it in MLflow"),
            *(
                [(command("predict", run.run_id, "image.png", config=config), "classify pictures with it")]
                if run.history
                else []
            ),
            (command("rerun", run.run_id, "seed=1", config=config), "train it again with another seed"),
        ]
    if not is_final:
        lines.append(
            (
                command("final", *composition.task_overrides(config.hydra), *own_folder(config)),
                "train it on the validation images, too, and test it once",
            )
        )
    return lines


def _show_grid(runs: Sequence[_Run], folder: Path, config: DictConfig, console: Console) -> None:
    names = [name for name in objectives(config) if all(name in run.metrics for run in runs)]
    keys = list(dict.fromkeys(key for run in runs for key in run.overrides))
    varied = [key for key in keys if len({run.overrides.get(key) for run in runs}) > 1]
    if names:
        sign = -1 if direction_of(names[0]) == "maximize" else 1
        runs = sorted(runs, key=lambda run: sign * run.metrics[names[0]])
    shown = shown_path(folder.absolute())
    console.print()
    table = _table(runs, folder, varied, names, f"{counted(len(runs), 'run')} in {shown}", has_ids=True)
    console.print(table if fits(table, console) else _table(runs, folder, varied, names, table.title, has_ids=False))
    if runs[0].run_id is not None:
        lines = [
            (command("ui", config=config), "look at the runs in MLflow"),
            (command("rerun", runs[0].run_id, "seed=1", config=config), "train the first again with another seed"),
        ]
        next_commands.show(console, lines)


def _table(
    runs: Sequence[_Run], folder: Path, varied: Sequence[str], names: Sequence[str], title: Any, *, has_ids: bool
) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    losses = ["valid_loss"] if "valid_loss" not in names and all("valid_loss" in run.metrics for run in runs) else []
    ids = ["run"] if has_ids and any(run.run_id for run in runs) else []
    searched, own = headings(varied, ("job", *names, *losses, "weights", "seconds", *ids))
    for heading in (own[0], *searched, *own[1:]):
        table.add_column(escape(heading.replace("_", "\n")), justify="right", vertical="bottom", overflow="fold")
    for run in runs:
        cells = (
            str(run.folder.relative_to(folder)),
            *(run.overrides.get(key, "") for key in varied),
            *(value(run.metrics[name]) for name in (*names, *losses)),
            cell(int(run.metrics["num_parameters"])),
            f"{run.metrics['total_seconds']:,.1f}",
            *([run.run_id or ""] if ids else []),
        )
        table.add_row(*map(escape, cells))
    return table
