"""The description at the top of a run's page in MLflow, as Markdown: what it was, its outcome, how to repeat it.

No text holds a password, whatever was typed.
"""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hydra_async_sweeper.readable import broken

from densenet_sweep.counts import counted
from densenet_sweep.tracking.store import redacted

# MLflow's tag for it, and its maximum length.
NOTE = "mlflow.note.content"
_LENGTH = 8000
_LINE_LENGTH = 100


@dataclass(frozen=True)
class Description:
    """The description of one training run, without its id and its outcome.

    Attributes:
        subject: what the run is, a sentence.
        overrides: complete; they train the same configuration anywhere.
        elsewhere: a sentence that introduces the command with these overrides.
        store: overrides that name the run's store, if it is not the project's own.
        objectives: the metrics that the run is judged by.
    """

    subject: str
    overrides: Sequence[str]
    elsewhere: str
    store: Sequence[str]
    objectives: Sequence[str]

    def text(self, run_id: str) -> str:
        """Return the description of the run under its id, while it is open."""
        return self._text(run_id, [])

    def ended(self, run_id: str, state: str, reason: str | None, metrics: Mapping[str, float]) -> str:
        """Return the description of the run with its outcome; `metrics` are its last ones."""
        values = ", ".join(f"{name} {metrics[name]:.6g}" for name in self.objectives if name in metrics)
        why = "" if not reason else f" {_code(reason)}"
        return self._text(run_id, [f"**{state.capitalize()}**{why}{f': {values}' if values else ''}"])

    def _text(self, run_id: str, outcome: Sequence[str]) -> str:
        from_store = command(["densenet-sweep", "rerun", run_id, *self.store])
        anywhere = command(["densenet-sweep", *self.overrides])
        again = "Train it again (on a CPU the same numbers come out):"
        # The page shows a few lines and folds the rest.
        return _joined(*outcome, again, from_store, self.subject, self.elsewhere, anywhere)


def of_sweep(
    *,
    study_name: str,
    objectives: Mapping[str, str],
    n_trials: int,
    searched: Mapping[str, str],
    typed: str,
    ending: str = "",
    is_repeated: bool = False,
    may_end_earlier: bool = False,
) -> str:
    """Return the description of a sweep's run.

    Args:
        study_name: of its study.
        objectives: the direction of each metric that is optimized.
        n_trials: the requested number.
        searched: the range of each searched key, as it is typed.
        typed: the command that started it.
        ending: its outcome; see `ending`.
        is_repeated: its trials repeat given configurations and measure the objectives; nothing is searched.
        may_end_earlier: `n_trials` are the most.
    """
    rows = [f"| {_code(key)} | {_code(text)} |" for key, text in searched.items()]
    goal = "to " + " and ".join(f"{direction} {_code(name)}" for name, direction in objectives.items())
    kind = "trial"
    if is_repeated:
        kind, goal = "run", f"each of them measuring {' and '.join(map(_code, objectives))} once"
    table = "\n".join(["| parameter | searched |", "|---|---|", *rows])
    return _joined(
        ending,
        f"Study {_code(study_name)}: {'up to ' if may_end_earlier else ''}{counted(n_trials, kind)}, {goal}.",
        table if rows and not is_repeated else "",
        "Started, and continued where it stopped, by",
        command(shlex.split(typed)),
    )


def ending(reason: str, states: Mapping[int, tuple[str, str | None]], best: str, artifacts: Sequence[str]) -> str:
    """Return the outcome of a sweep, for its description.

    Args:
        reason: why it ended.
        states: state and reason of each trial.
        best: about the best trial, Markdown.
        artifacts: paths of what the sweep's run keeps.
    """
    counts = Counter(state for state, _ in states.values())
    trials = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "no trial ended"
    kept = f"Kept here: {', '.join(_code(path) for path in artifacts)}." if artifacts else ""
    return _joined(f"**{trials}**; ended: {_code(reason)}", best, kept)


def command(words: Sequence[str]) -> str:
    """Return a shell command as a block of code, broken into lines that fit a page."""
    return fenced(broken(words, _LINE_LENGTH))


def fenced(text: str) -> str:
    """Return `text` as a block of code."""
    return f"```\n{text}\n```"


def _code(text: str) -> str:
    """Return `text` in Markdown's form for code."""
    line = " ".join(text.split()).replace("`", "'")
    return f"`{line}`"


def _joined(*paragraphs: str) -> str:
    return redacted("\n\n".join(paragraph for paragraph in paragraphs if paragraph))[:_LENGTH]
