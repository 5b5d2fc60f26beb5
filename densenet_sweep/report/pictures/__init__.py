"""The pictures of a study: which ones make sense for it, and what each shows; `drawing` draws them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from densenet_sweep.drawing import png
from densenet_sweep.drawing.scene import Picture
from densenet_sweep.report.pictures import cost, expected, overlaid, parallel, progress, search
from densenet_sweep.report.pictures.subject import Subject, read, read_early
from densenet_sweep.results.study import Study

__all__ = ["Drawn", "draw", "drawn_once", "overlaid"]

log = logging.getLogger("densenet_sweep")

_Make = Callable[[Subject], Picture | None]
# Of the trials as they ended.
_PROGRESS: tuple[_Make, ...] = (progress.history, progress.learning_curves)
# Of the early values of all trials, and of the complete trials.
_SEARCH: tuple[_Make, ...] = (search.importance, search.contour, parallel.parallel, search.slices)
_COST: tuple[_Make, ...] = (cost.front,)


@dataclass(frozen=True)
class Drawn:
    """A picture and its PNG file."""

    picture: Picture
    still: bytes


def draw(study: Study) -> list[Drawn]:
    """Return the pictures of `study`; one without content is left out, and one that fails logs a warning."""
    subject, early = read(study), read_early(study)
    drawn: list[Drawn] = []
    for make in _PROGRESS:
        drawn += _drawn(make, subject)
    # Where trials were pruned, their early values are those of a random selection, not the values of the complete ones.
    drawn += _drawn(expected.expected, subject) if early is None else _drawn(expected.expected, early, "_early")
    for make in _SEARCH:
        if early is not None:
            drawn += _drawn(make, early, "_early")
        drawn += _drawn(make, subject)
    for make in _COST:
        drawn += _drawn(make, subject)
    return drawn


def drawn_once(picture: Picture) -> Drawn:
    """Return a picture with its PNG file."""
    return Drawn(picture, png.draw(picture))


def _drawn(make: _Make, subject: Subject, suffix: str = "") -> list[Drawn]:
    try:
        picture = make(subject)
        if picture is None:
            return []
        picture = replace(picture, name=f"{picture.name}{suffix}")
        return [drawn_once(picture)]
    except Exception as error:  # a picture must not fail a sweep
        log.warning("study %s: no picture of %s (%s: %s)", subject.name, make.__name__, type(error).__name__, error)
        return []
