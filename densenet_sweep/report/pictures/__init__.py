"""The pictures of a study: which ones make sense for it, and what each shows; `drawing` draws them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from densenet_sweep.drawing import png
from densenet_sweep.drawing.scene import Picture
from densenet_sweep.report.pictures import cost, expected, families, overlaid, parallel, progress, search, timeline
from densenet_sweep.report.pictures.subject import Subject, read, read_early
from densenet_sweep.results.study import Study

__all__ = ["Drawn", "draw", "drawn_once", "overlaid"]

log = logging.getLogger("densenet_sweep")

_Make = Callable[[Subject], Picture | None]
# Of the trials as they ended.
_PROGRESS: tuple[_Make, ...] = (progress.history, progress.learning_curves)
# Of the early values of all trials, and of the complete trials.
_SEARCH: tuple[_Make, ...] = (search.importance, search.contour)
_WIDE: tuple[_Make, ...] = (parallel.parallel, search.slices)
_COST: tuple[_Make, ...] = (cost.front, families.fronts, timeline.timeline)


@dataclass(frozen=True)
class Drawn:
    """A picture and its PNG file, which is empty if only a browser is to draw it."""

    picture: Picture
    still: bytes


def draw(study: Study, *, stills: bool = True) -> list[Drawn]:
    """Return the pictures of `study`; one without content is left out, and one that fails logs a warning."""
    subject, early = read(study), read_early(study)
    drawn: list[Drawn] = []
    for make in _PROGRESS:
        drawn += _drawn(make, subject, stills=stills)
    for make in (*_SEARCH, expected.expected, *_WIDE):
        if early is not None:
            drawn += _drawn(make, early, "_early", stills=stills)
        # Where trials were pruned, the complete ones were chosen: their values are not those of a random selection.
        if early is None or make is not expected.expected:
            drawn += _drawn(make, subject, stills=stills)
    for make in _COST:
        drawn += _drawn(make, subject, stills=stills)
    return drawn


def drawn_once(picture: Picture, *, still: bool = True) -> Drawn:
    """Return a picture with its PNG file, if that is wanted."""
    return Drawn(picture, png.draw(picture) if still else b"")


def _drawn(make: _Make, subject: Subject, suffix: str = "", *, stills: bool) -> list[Drawn]:
    try:
        picture = make(subject)
        if picture is None:
            return []
        picture = replace(picture, name=f"{picture.name}{suffix}")
        return [drawn_once(picture, still=stills)]
    except Exception as error:  # a picture must not fail a sweep
        log.warning("study %s: no picture of %s (%s: %s)", subject.name, make.__name__, type(error).__name__, error)
        return []
