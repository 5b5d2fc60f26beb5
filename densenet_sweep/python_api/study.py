"""`load_study` and `run_sweep`: a study's results in Python."""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from densenet_sweep.config import errors
from densenet_sweep.python_api import command
from densenet_sweep.python_api.model import Model, load_model
from densenet_sweep.python_api.table import with_table
from densenet_sweep.results import ranking
from densenet_sweep.results.formatting import beside, cell, value
from densenet_sweep.results.study import Study as Results
from densenet_sweep.results.study import Trial

if TYPE_CHECKING:
    import pandas as pd

# Trials in a notebook's table.
_SHOWN = 10

# The first bytes of a SQLite file.
_SQLITE = b"SQLite format 3\0"


class Study:
    """A study as it was when it was loaded; in a notebook its last line shows the leaderboard and a picture.

    Attributes:
        results: all that is known, as frozen values.
    """

    def __init__(self, results: Results, command: str | None, overrides: Sequence[str]) -> None:
        self.results = results
        self._command = command
        self._overrides = tuple(overrides)

    @property
    def name(self) -> str:
        """Its name."""
        return self.results.name

    @property
    def trials(self) -> Sequence[Trial]:
        """All trials, by number."""
        return self.results.trials

    @property
    def best(self) -> Trial | None:
        """The best complete trial; None if there is none, or several objectives, or repetitions of given configurations."""
        if not self.results.has_one_objective or self.results.is_repeated:
            return None
        best = next((row.number for row in ranking.rows(self.results) if row.is_complete), None)
        return None if best is None else self.results.trials[best]

    def dataframe(self) -> "pd.DataFrame":
        """Return a row for each trial, indexed by number: state, objectives, searched parameters, costs and times.

        A column that has the name of a searched parameter is called otherwise: `trial.epochs`, say.
        """
        import pandas as pd

        searched = self.results.parameters

        def named(own: Mapping[str, object]) -> dict[str, object]:
            return {beside(name, searched): it for name, it in own.items()}

        rows = [
            named(
                {"number": trial.number, "state": trial.state, **dict(zip(self.results.objectives, trial.values, strict=False))}
            )
            | {name: trial.params.get(name) for name in searched}
            | named(
                {
                    "num_parameters": trial.num_parameters,
                    "epochs": trial.epochs,
                    "seconds": trial.seconds,
                    "start": trial.start,
                    "end": trial.end,
                    "run_id": trial.run_id,
                    "reason": trial.reason,
                }
            )
            for trial in self.trials
        ]
        return pd.DataFrame(rows).set_index(beside("number", searched)) if rows else pd.DataFrame()

    def best_model(self) -> Model:
        """Return the champion if `confirm` has named one, or else the best trial whose weights are kept.

        Raises:
            ValueError: there is none.
            ConnectionError: MLflow's store cannot be used.
        """
        return load_model(self.name, self._overrides)

    def report(self, path: str | Path) -> Path:
        """Write the report with all pictures, one HTML file, and return its path.

        Raises:
            ValueError: it cannot be written there.
        """
        from densenet_sweep.report import page

        path = Path(path)
        page.check(path)
        page.write(path, page.reported([self.results], [self._command], [None], self._overrides))
        return path

    def __repr__(self) -> str:
        from densenet_sweep.report.pictures.subject import counts_by_state

        return f"<Study {self.name}: {counts_by_state(self.results.finished) or 'no trial has ended'}>"

    def _repr_html_(self) -> str:
        from densenet_sweep.drawing import png
        from densenet_sweep.report.pictures import progress, subject

        rows = ranking.rows(self.results)[:_SHOWN]
        parameters = self.results.parameters
        first, last = (
            [beside(it, parameters) for it in own]
            for own in (("trial", *self.results.objectives), ("weights", "epochs", "seconds", "state"))
        )
        headings = [*first, *parameters, *last]
        cells = [
            [str(row.number), *(value(it) for it in row.values), *[""] * (len(self.results.objectives) - len(row.values))]
            + [cell(row.params.get(name)) for name in parameters]
            + [cell(row.num_parameters), cell(row.epochs), cell(row.seconds), row.state_and_origin]
            for row in rows
        ]
        picture = progress.history(subject.read(self.results))
        drawn = "" if picture is None else f'<img src="data:image/png;base64,{base64.b64encode(png.draw(picture)).decode()}">'
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(it)}</td>' for it in line)}</tr>" for line in cells)
        head = "".join(f"<th>{html.escape(it)}</th>" for it in headings)
        return f"<p>{html.escape(repr(self)[1:-1])}</p><table><tr>{head}</tr>{body}</table>{drawn}"


def load_study(where: str | Path | None = None, overrides: Sequence[str] = (), *, storage: str | None = None) -> Study:
    """Return a study's results.

    Example:
        >>> study = densenet_sweep.load_study("quickstart-fashion_mnist_14px")
        >>> study.dataframe().sort_values("valid_accuracy")
        >>> study = densenet_sweep.load_study("quickstart-fashion_mnist_14px", storage="postgresql://me:***@host/sweeps")

    Args:
        where: its name, or the folder of its sweep, or the URL or file of a storage that holds no other; the study used last
            unless given.
        overrides: `tracking.uri=...` names the MLflow store that knows it, if no folder below `outputs` does.
        storage: URL of the storage that holds it, as Optuna and `storage.url` take it: `sqlite:///FILE`, `postgresql://...`,
            `grpc://HOST:PORT`, or `journal:FILE`. A password `***` is looked up in the environment.

    Raises:
        ValueError: no such study, in one line that lists those that exist.
        ConnectionError: MLflow's store is needed, and cannot be used.
    """
    from densenet_sweep.results import studies

    try:
        found: studies.AnyStudy
        if storage is None and where is not None:
            storage = _storage_of(where)
            where = where if storage is None else None
        if storage is not None:
            found = studies.stored_study(storage, None if where is None else str(where))
        elif isinstance(where, Path) or (where is not None and "/" in where):
            found = studies.in_folder(Path(where))
        else:
            found = studies.find(where, overrides)
        return Study(studies.values_of(found), found.command, overrides)
    except ConnectionError:
        raise
    except Exception as error:
        raise ValueError(errors.one_line(error)) from error


def _storage_of(where: str | Path) -> str | None:
    """Return the URL of the storage that `where` is, or None: a storage's URL, its journal or its SQLite file."""
    text = str(where)
    if isinstance(where, str) and ("://" in text or text.startswith("journal:")):
        return text
    if Path(where).is_file():
        with Path(where).open("rb") as file:
            is_sqlite = file.read(len(_SQLITE)) == _SQLITE
        return f"sqlite:///{text}" if is_sqlite else f"journal:{text}" if text.endswith(".journal") else None
    return None


def run_sweep(
    overrides: Sequence[str] = (), params: Mapping[str, str] | None = None, *, table: "pd.DataFrame | None" = None
) -> Study:
    """Run a sweep in this process, one trial after the other, and return its study; called again, it continues.

    Example:
        >>> densenet_sweep.run_sweep(["sweep=quickstart", "data=digits"], {"optimizer.lr": "tag(log,interval(0.01,1))"})

    Args:
        overrides: as on the command line, with `sweep=growth_depth_lr` unless another is named; `hydra/launcher=local` runs the
            trials in processes of their own.
        params: the search space, or what differs from the sweep file's: a range or choice in Hydra's grammar by key.
        table: as for `train`.

    Raises:
        ValueError: what the command would refuse or fail with, in one line.
        KeyboardInterrupt: interrupted; the same call continues.
    """
    given = {override.lstrip("+").partition("=")[0] for override in overrides}
    ours = {"sweep": "growth_depth_lr", "hydra/launcher": "basic"}
    added = {**{key: option for key, option in ours.items() if key not in given}, **(params or {})}
    from densenet_sweep.results.studies import noting_opened

    with command.one_at_a_time, noting_opened() as opened:
        command.run([*with_table(overrides, table), *(f"{key}={text}" for key, text in added.items())])
    if not opened:
        raise ValueError("hydra.sweeper.dry_run=true: has no study; false is accepted")
    return load_study(opened[-1])
