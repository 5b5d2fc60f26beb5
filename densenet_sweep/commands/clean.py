"""`densenet-sweep clean [STUDY] [--yes]`: remove the folders of a study's failed and pruned trials, after asking.

What they are worth stays: their parameters, states and values in the study, and their runs in MLflow. Complete, running and
waiting trials keep their folders, and so do trials that one of them continues from, or that MLflow has not yet received.
"""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hydra_async_sweeper.readable import numbered

from densenet_sweep.commands.arguments import add_studies, names_and_overrides
from densenet_sweep.config.command_line import Parser
from densenet_sweep.counts import counted
from densenet_sweep.results.studies import FoundStudy, find, values_of
from densenet_sweep.results.study import Study, Trial
from densenet_sweep.tracking.outbox import FILE as OUTBOX


@dataclass(frozen=True)
class _Folder:
    """The folder of a failed or pruned trial, and why it is kept; None if it can be removed."""

    trial: Trial
    path: Path
    kept_because: str | None


def parser() -> Parser:
    """Return the parser of its arguments."""
    arguments = Parser("clean", __doc__)
    add_studies(arguments, "its name")
    arguments.add_argument("--yes", action="store_true", help="remove without asking")
    return arguments


def main(arguments: list[str]) -> None:
    """Remove the folders that the study of `arguments` no longer needs.

    Raises:
        ValueError: no such study, one without a folder here, or nobody to ask.
        OSError: a folder cannot be removed.
    """
    parsed = parser().parse_intermixed_args(arguments)
    names, overrides = names_and_overrides(parsed.studies, "clean")
    if len(names) > 1:
        raise ValueError(f"{' '.join(names)}: the name of one study is accepted")
    study = find(names[0] if names else None, overrides)
    if not isinstance(study, FoundStudy):
        raise ValueError(f"{study.name}: only MLflow has it; a study with a folder below outputs is accepted")
    found = list(_folders(values_of(study), study.folder))
    for folder in found:
        if folder.kept_because:
            print(f"kept: trial {folder.trial.number}, as {folder.kept_because}")
    removed = [folder for folder in found if not folder.kept_because]
    if not removed:
        print(f"study {study.name}: no failed or pruned trial has left a folder that can be removed")
        return
    print(f"study {study.name}: {_described(removed)}")
    if not (parsed.yes or _agreed()):
        print("nothing was removed")
        return
    # Another command may have begun to continue one of them while nobody answered.
    still = {folder.path for folder in _folders(values_of(study), study.folder) if not folder.kept_because}
    for folder in removed:
        if folder.path in still:
            shutil.rmtree(folder.path)
    print(f"removed {counted(len(still & {folder.path for folder in removed}), 'folder')}")


def _folders(study: Study, sweep_dir: Path) -> Iterator[_Folder]:
    """Yield the folder of each failed or pruned trial that has one."""
    continued = {trial.promoted_from: trial.number for trial in study.trials if not trial.is_finished}
    for trial in study.trials:
        path = trial.folder_in(sweep_dir)
        if trial.state not in ("failed", "pruned") or path.is_symlink() or not path.is_dir():
            continue
        reason = None
        if trial.number in continued:
            reason = f"trial {continued[trial.number]} continues it"
        elif (path / OUTBOX).exists():
            reason = "MLflow has not yet received all of it; the sweep's command sends the rest"
        yield _Folder(trial, path, reason)


def _described(folders: list[_Folder]) -> str:
    """Return the number, the trials and the size of these folders."""
    num_bytes = sum(file.lstat().st_size for folder in folders for file in folder.path.rglob("*"))
    by_state = {state: [it.trial.number for it in folders if it.trial.state == state] for state in ("failed", "pruned")}
    trials = ", ".join(f"{state} {numbered(numbers)}" for state, numbers in by_state.items() if numbers)
    return f"{counted(len(folders), 'folder')} with {num_bytes / 1e6:,.1f} MB, of {trials}"


def _agreed() -> bool:
    """Return whether the user agrees.

    Raises:
        ValueError: nobody can answer.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise ValueError("clean: nobody can be asked here; --yes removes without asking")
    try:
        return input("Remove them? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
