"""The pictures of a study: which ones make sense for it, and what each shows; `drawing` draws them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from densenet_sweep.drawing import png
from densenet_sweep.drawing.scene import Picture
from densenet_sweep.report.pictures import cost, progress, search
from densenet_sweep.report.pictures.subject import Subject, read
from densenet_sweep.results.study import Study

log = logging.getLogger("densenet_sweep")

_ALL: tuple[Callable[[Subject], Picture | None], ...] = (
    progress.history,
    progress.learning_curves,
    search.importance,
    search.contour,
    search.slices,
    cost.front,
)


@dataclass(frozen=True)
class Drawn:
    """A picture and its PNG file."""

    picture: Picture
    still: bytes


def draw(study: Study) -> list[Drawn]:
    """Return the pictures of `study`; one without content is left out, and one that fails logs a warning."""
    subject = read(study)
    drawn: list[Drawn] = []
    for make in _ALL:
        try:
            picture = make(subject)
            if picture is not None:
                drawn.append(Drawn(picture, png.draw(picture)))
        except Exception as error:  # a picture must not fail a sweep
            log.warning("study %s: no picture of %s (%s: %s)", subject.name, make.__name__, type(error).__name__, error)
    return drawn
