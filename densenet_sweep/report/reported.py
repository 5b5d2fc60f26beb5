"""A study and what else the report says about it: where it ran, its confirmations, and what the best got wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from densenet_sweep.confirm import of_study
from densenet_sweep.confirm.of_study import Reading
from densenet_sweep.confirm.verdict import Verdict
from densenet_sweep.report import mistakes
from densenet_sweep.report.pictures import Drawn
from densenet_sweep.results import provenance
from densenet_sweep.results.study import Study

if TYPE_CHECKING:
    from densenet_sweep.results.logged_metric import Metric


@dataclass(frozen=True)
class Reported:
    """A study and what is known about it besides its trials.

    Attributes:
        study: as it stands.
        command: that ran it, as it was typed.
        tags: of the MLflow run of one of its trials, for code and machine.
        drawn: its pictures, if they were drawn already.
        metric: that its trials are ranked by instead of the objective.
        verdicts: of its confirmations.
        wrong: the pictures with the highest loss.
        readings: of the test set, by runs of its confirmations.
        runs: the address of its runs in MLflow, to which a run's id is added; None if it is not known.
    """

    study: Study
    command: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    drawn: Sequence[Drawn] | None = None
    metric: "Metric | None" = None
    verdicts: Sequence[Verdict] = ()
    wrong: Sequence[mistakes.Shown] = ()
    readings: Sequence[Reading] = ()
    runs: str | None = None


def reported(
    studies: Sequence[Study],
    commands: Sequence[str | None],
    metrics: "Sequence[Metric | None]",
    overrides: Sequence[str],
) -> list[Reported]:
    """Return the studies with their confirmations, and their tags in the MLflow store that the `tracking` overrides name."""
    found = []
    for study, command, metric in zip(studies, commands, metrics, strict=True):
        known = provenance.known(study, overrides)
        confirmations = of_study.confirmations(study.name)
        verdicts = of_study.verdicts(confirmations)
        wrong = mistakes.all_of(known.study, verdicts, known.uri)
        found.append(
            Reported(
                known.study,
                command,
                known.tags,
                metric=metric,
                verdicts=verdicts,
                wrong=wrong,
                readings=of_study.readings(confirmations),
                runs=known.runs,
            )
        )
    return found
