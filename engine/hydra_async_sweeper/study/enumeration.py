"""Samplers that try every combination once: Optuna's grid and its brute force."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.optuna_private import has_begun_all, storage_of
from hydra_async_sweeper.study.exclusive import exclusive
from hydra_async_sweeper.study.searches import SEARCHES
from hydra_async_sweeper.study.state import state_of

if TYPE_CHECKING:
    import optuna

# Study attribute: its sampler has nothing left to suggest.
_EXHAUSTED = "exhausted"


def with_first_seed(study: "optuna.Study", section: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a grid's section with the seed of its first start, which numbers the combinations; that of others as it is."""
    if not str(section["_target_"]).endswith(".GridSampler"):
        return section
    before = [search.get("sampler", {}) for search in study.user_attrs.get(SEARCHES, [])]
    first = next((it for it in before if it.get("_target_") == section["_target_"]), section)
    return {**section, "seed": first.get("seed")}


def note_end(study: "optuna.Study") -> None:
    """Let `study` note when its sampler has tried every combination; Optuna's own way works inside `optimize` only."""
    setattr(study, "stop", lambda: study.set_user_attr(_EXHAUSTED, True))  # noqa: B010 - a method, to mypy


def is_exhausted(study: "optuna.Study") -> bool:
    """Return whether the study's sampler has tried every combination, and each trial of them has ended."""
    return bool(study.user_attrs.get(_EXHAUSTED)) or (not state_of(study).unfinished and has_begun_all(study))


def drawing(study: "optuna.Study") -> AbstractContextManager[Any]:
    """Let one worker at a time draw from brute force, which does not see what another one is drawing."""
    from optuna.samplers import BruteForceSampler

    is_brute = isinstance(study.sampler, BruteForceSampler)
    return exclusive(storage_of(study), study.study_name) if is_brute else nullcontext()
