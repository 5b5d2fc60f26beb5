"""`densenet-sweep confirm [STUDY] [--top N] [--seeds N] [--leave-out COLUMN] [key=value ...]`: train the best again, test once.

Each of the N best configurations is trained on training and validation images together, once a seed, and tested once. The
smallest that cannot be told from the best becomes the champion. With `--until-decided` it stops training what is significantly
worse, and ends when one is left. With `--leave-out site` the best one is instead trained once without each site, and tested on
it. Started again, it continues.
"""

import re
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hydra_async_sweeper.application import check_study_name

from densenet_sweep.commands.arguments import separated
from densenet_sweep.config import composition, from_run
from densenet_sweep.config.command_line import Parser
from densenet_sweep.config.data_sections import ImageTableConfig, expanded
from densenet_sweep.confirm import finalists as finalist_files
from densenet_sweep.confirm import leave_out
from densenet_sweep.counts import counted
from densenet_sweep.results.studies import AnyStudy, NamedTrial, find, values_of
from densenet_sweep.tracking.access import answering, check_exists, mlflow_config
from densenet_sweep.tracking.kept_files import downloaded_config
from densenet_sweep.tracking.store import connect

if TYPE_CHECKING:
    from densenet_sweep.results.study import Study

_TOP = 3
_SEEDS = 5
_FIRST_SEED = 1000
_FEWEST_SEEDS = 2
_NAME = "hydra.sweeper.study_name"
# Not copied: the confirmation's own workers have their number of threads, and it has one objective, which its sweep file names.
_NOT_OURS = ("num_threads", "objective")


def parser() -> Parser:
    """Return the parser of its arguments."""
    arguments = Parser("confirm", __doc__)
    arguments.add_argument(
        "words", nargs="*", metavar="STUDY key=value", help="the study (the last one unless given); overrides"
    )
    arguments.add_argument("--top", type=int, metavar="N", help="how many of its best configurations (3; with --leave-out 1)")
    arguments.add_argument("--seeds", type=int, metavar="N", help="how often each is trained (5)")
    arguments.add_argument(
        "--until-decided",
        action="store_true",
        help="add seeds one by one, up to --seeds, for what is not significantly worse; the 5 %% hold for all looks together",
    )
    arguments.add_argument(
        "--new-splits",
        action="store_true",
        help="each seed also draws its own test pictures: for small data sets that name none themselves",
    )
    arguments.add_argument(
        "--leave-out",
        metavar="COLUMN",
        help="instead, train once without each value of this column of data=image_table, such as a site, and test on it",
    )
    arguments.add_argument("--config-dir", metavar="FOLDER", help="a further folder of config files, with options of your own")
    return arguments


def main(arguments: list[str]) -> composition.Command:
    """Return the command that trains the finalists, to be run as if it had been typed.

    Raises:
        ValueError: no such study, nothing to confirm, or a number out of range.
    """
    parsed = parser().parse_intermixed_args(arguments)
    names, overrides = separated(parsed.words)
    if len(names) > 1:
        raise ValueError(f"{' '.join(names)}: one study is confirmed at a time")
    column = parsed.leave_out
    if column is not None and parsed.seeds is not None:
        raise ValueError(f"--seeds {parsed.seeds}: is not accepted beside --leave-out, which trains once for each value")
    if column is not None and parsed.new_splits:
        raise ValueError("--new-splits: is not accepted beside --leave-out, whose column says what is tested")
    if column is not None and parsed.until_decided:
        raise ValueError("--until-decided: is not accepted beside --leave-out, which trains once for each value")
    parsed.top = (_TOP if column is None else 1) if parsed.top is None else parsed.top
    parsed.seeds = _SEEDS if parsed.seeds is None else parsed.seeds
    if parsed.top < 1:
        raise ValueError(f"--top {parsed.top}: a whole number of at least 1 is accepted")
    if parsed.seeds < _FEWEST_SEEDS:
        raise ValueError(
            f"--seeds {parsed.seeds}: a whole number of at least {_FEWEST_SEEDS} is accepted; one says nothing of noise"
        )
    found = find(names[0] if names else None, overrides)
    if finalist_files.read(found.folder) is not None:
        raise ValueError(f"{found.name}: is a confirmation itself")
    composition.typed(
        composition.compose(overrides, config_dir=parsed.config_dir, config_name="confirm")
    )  # a mistake there costs nothing yet
    study = values_of(found)
    finalists = finalist_files.select(study)
    typed_name = [override.partition("=")[2] for override in overrides if override.startswith(f"{_NAME}=")]
    kind = "confirmation-on-new-splits" if parsed.new_splits else "confirmation"
    kind = kind if column is None else f"without-each-{re.sub(r'[^0-9A-Za-z]+', '-', column)}"
    name = typed_name[-1] if typed_name else f"{found.name}-{kind}-of-{finalists.num_finished}"
    folder = finalist_files.folder_of(name)
    begun = finalist_files.read(folder)
    if begun is None:
        check_study_name(name)
    own = () if parsed.config_dir is None else ("--config-dir", parsed.config_dir)
    numbers = [f"--top={parsed.top}", f"--seeds={parsed.seeds}" if column is None else f"--leave-out={column}"]
    numbers += ["--until-decided"] if parsed.until_decided else []
    numbers += ["--new-splits"] if parsed.new_splits else []
    command = shlex.join(["densenet-sweep", "confirm", found.name, *numbers, *overrides, *own])
    seeds = _fresh_seeds(study.config.get("seed"), parsed.seeds if column is None else 1)
    if parsed.until_decided:
        _check_same_plan(name, begun, seeds)
        finalists = replace(finalists, planned=tuple(seeds))
    elif begun is not None:
        finalists = replace(finalists, planned=begun.planned)
    for finalist in finalists.trials[: parsed.top]:
        _write_config(folder, found, study, finalist, overrides, parsed.config_dir)
    if parsed.new_splits:
        finalists = _on_new_splits(folder, finalists, overrides, parsed.config_dir)
    if column is not None:
        finalists = _without_each(column, folder, finalists, parsed.top, overrides, parsed.config_dir)
    finalist_files.write(folder, finalists, top=parsed.top, seeds=seeds, command=command, is_until_decided=parsed.until_decided)
    searchpath = f"hydra.searchpath=[{composition.quoted(str(folder.resolve()))}]"
    return composition.Command([searchpath, "sweep=finalists", *overrides, *own], config_name="confirm", final=True)


def _check_same_plan(name: str, begun: finalist_files.Finalists | None, seeds: Sequence[int]) -> None:
    """Refuse another number of seeds than the error was shared by: one that depends on results would not hold it.

    Raises:
        ValueError: the confirmation has begun with another one, or with all its seeds at once.
    """
    if begun is None or begun.planned == tuple(seeds):
        return
    another = "hydra.sweeper.study_name=NAME begins another confirmation"
    if not begun.planned:
        raise ValueError(f"--until-decided: {name} was begun without it; {another}")
    raise ValueError(
        f"--seeds {len(seeds)}: {name} spends its error of 5 % over {counted(len(begun.planned), 'seed')}; {another}"
    )


def _write_config(
    folder: Path,
    found: AnyStudy,
    study: "Study",
    finalist: finalist_files.Finalist,
    overrides: Sequence[str],
    config_dir: str | None,
) -> None:
    """Write the config of a finalist as an option file, from its folder or else from its run in MLflow.

    Raises:
        ValueError: neither has it, or it holds more than what is trained.
        ConnectionError: the store cannot be used.
    """
    path = finalist_files.option_file(folder, finalist.option)
    path.parent.mkdir(parents=True, exist_ok=True)
    named = NamedTrial(study.name, study.trials[finalist.trial], found.folder)
    kept = named.artifacts / "config.yaml"
    if kept.is_file():
        from_run.copy(kept, path, overrides, config_dir=config_dir, without=_NOT_OURS)
        return
    uri = mlflow_config(overrides, f"{kept} has gone, so confirm").uri
    run_id = named.run_id(uri)
    if run_id is None:
        raise ValueError(f"{kept}: has gone, and with it the config of trial {finalist.trial}")
    check_exists(uri)
    with answering(uri), tempfile.TemporaryDirectory() as temporary:
        source = downloaded_config(connect(uri), run_id, temporary)
        from_run.copy(source, path, overrides, config_dir=config_dir, without=_NOT_OURS)


def _on_new_splits(
    folder: Path, finalists: finalist_files.Finalists, overrides: Sequence[str], config_dir: str | None
) -> finalist_files.Finalists:
    """Return the finalists, to be trained and tested on a new split with each seed.

    Raises:
        ValueError, OSError: the data set cannot be read, or has test images of its own.
    """
    import torch

    from densenet_sweep.run import splits

    best = finalist_files.option_file(folder, finalists.trials[0].option)
    config = from_run.config(best, overrides, config_dir=config_dir)
    source, _, _ = splits.read(config.data, torch.device("cpu"), config.trusted_targets)
    if source.test_fraction is None:
        raise ValueError("--new-splits: test pictures that data.test_fraction sets apart are accepted; these are given")
    return replace(finalists, test_fraction=source.test_fraction)


def _without_each(
    column: str,
    folder: Path,
    finalists: finalist_files.Finalists,
    top: int,
    overrides: Sequence[str],
    config_dir: str | None,
) -> finalist_files.Finalists:
    """Return the finalists, to be trained without each value of a column, and write an option file for each.

    Raises:
        ValueError, FileNotFoundError: no table with that column, or values that cannot be left out one by one.
    """
    from densenet_sweep.data.image_table import classes_by_value

    best = finalist_files.option_file(folder, finalists.trials[0].option)
    data = from_run.config(best, overrides, config_dir=config_dir).data
    if not isinstance(data, ImageTableConfig):
        raise ValueError(f"--leave-out {column}: data=image_table is accepted, whose table has columns")
    separator = None if data.multi_label is False else data.label_separator
    values = classes_by_value(expanded(data.table), column, data.label_column, separator)
    leave_out.check(column, values, finalists.objective)
    finalists = finalists.without(column, list(values))
    for finalist in finalists.trials[:top]:
        source = finalist_files.option_file(folder, finalist.option)
        for index, value in enumerate(values):
            target = finalist_files.option_file(folder, finalists.option(finalist, index))
            from_run.copy(source, target, overrides, config_dir=config_dir, data={"leave_out": [column, value]})
    return finalists


def _fresh_seeds(used: object, count: int) -> Sequence[int]:
    """Return `count` seeds, always the same, without the sweep's own."""
    return [seed for seed in range(_FIRST_SEED, _FIRST_SEED + count + 1) if seed != used][:count]
