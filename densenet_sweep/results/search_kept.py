"""What the engine keeps with a study about its search, and with a trial about its workers, as values."""

import datetime
import json
from collections.abc import Mapping
from typing import Any

from hydra_async_sweeper.application import BEGAN, DIED, EARLIER, RENEWED, SEARCHES

from densenet_sweep.results.study import Attempt, Range, Search

# A worker that finds a trial to be one too many gives it back at once.
_SHORTEST = datetime.timedelta(seconds=0.5)


def kept_of_search(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the space, its conditions and the searches from a study's attributes, as arguments of `Study`."""
    described = {name: json.loads(text) for name, text in attributes.get("space", {}).items()}
    return {
        "space": {name: _range(entry) for name, entry in described.items()},
        "conditions": {name: entry["when"] for name, entry in described.items() if "when" in entry},
        "searches": tuple(_search(dict(entry)) for entry in attributes.get(SEARCHES, ())),
    }


def attempts(lease: Mapping[str, Any], ended: datetime.datetime | None) -> tuple[Attempt, ...]:
    """Return the attempts at a trial from its last lease; empty for an older version's.

    Args:
        lease: of its last owner.
        ended: when the trial ended; None if it has not.
    """
    own = [{**lease, RENEWED: ended.isoformat()} if ended is not None else lease] if BEGAN in lease else []
    found = [_attempt(kept) for kept in [*lease.get(EARLIER, ()), *own]]
    return tuple(it for index, it in enumerate(found) if it.died or it.end - it.start >= _SHORTEST or index == len(found) - 1)


def _attempt(kept: Mapping[str, Any]) -> Attempt:
    return Attempt(
        host=kept["host"],
        pid=kept["pid"],
        process_start=kept.get("process_start"),
        gpu=kept.get("gpu"),
        start=datetime.datetime.fromisoformat(kept[BEGAN]),
        end=datetime.datetime.fromisoformat(kept[RENEWED]),
        died=bool(kept.get(DIED)),
    )


def _search(entry: dict[str, Any]) -> Search:
    del entry["date"]
    return Search(entry.pop("since_trial"), defaults=entry.pop("defaults"), optuna=entry.pop("optuna"), options=entry)


def _range(entry: Mapping[str, Any]) -> Range:
    """Return the range that Optuna's JSON of a distribution describes."""
    kept = entry["attributes"]
    if "choices" in kept:
        return Range(choices=tuple(kept["choices"]))
    return Range(kept["low"], kept["high"], kept.get("step"), kept["log"], str(entry["name"]).startswith("Int"))
