"""What a new study begins with: configurations to try first, and the finished trials of an earlier study."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.readable import counted, did_you_mean
from hydra_async_sweeper.space.search_space import Space
from hydra_async_sweeper.study import study_file
from hydra_async_sweeper.study.exclusive import is_lock
from hydra_async_sweeper.trial import (
    ATTEMPT,
    FINISHED_BEFORE,
    FOLDER,
    LEASE,
    NOT_COPIED,
    PROMOTED,
    WARM_START,
    promoted_numbers,
)

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("hydra_async_sweeper")

_MOST_NAMES = 10  # of studies in a message

# The engine's attributes of a trial's run, which a copy does not have.
_OF_THE_RUN = frozenset({LEASE, ATTEMPT, PROMOTED, FINISHED_BEFORE, FOLDER})


def checked(values: Any, space: Space, *, takes_others: bool = False) -> dict[str, Any] | None:
    """Return one entry of `hydra.sweeper.enqueue`, or None if it lies outside the narrowed space.

    Args:
        values: of the entry.
        space: what is searched.
        takes_others: whether a function of the user's suggests other keys, by names as in the entry.

    Raises:
        SweepError: no mapping, a key that is neither searched nor fixed, or a word instead of a number.
    """
    if not isinstance(values, Mapping):
        key = next(iter(space.parameters), "key")
        raise SweepError(
            f"hydra.sweeper.enqueue: {values} is no configuration; a list such as [{{{key}:VALUE}}] is accepted, "
            "which a shell leaves alone in quotes"
        )
    fixed = {it.key_or_group: it for it in OverridesParser.create().parse_overrides(list(space.fixed)) if not it.is_delete()}
    kept = {}
    for typed, value in _by_key(values, {*space.parameters, *fixed}):
        key = typed.lstrip("+")
        if key in space.parameters:
            parameter = space.parameters[key]
            try:
                kept[key] = parameter.suggested(value)
            except TypeError:
                raise SweepError(f"hydra.sweeper.enqueue: {key}={value}: a number of {parameter.text} is accepted") from None
            except ValueError:
                log.info("hydra.sweeper.enqueue: left out, since %s=%s is outside of %s", key, value, parameter.text)
                return None
        elif key not in fixed and takes_others:
            kept[typed] = value
        elif key not in fixed:
            raise SweepError(f"hydra.sweeper.enqueue: {key} is not searched; {', '.join(space.parameters)} can be given")
        elif fixed[key].value() != value:
            log.info("hydra.sweeper.enqueue: left out, since %s is fixed, not %s", fixed[key].input_line, value)
            return None
    return kept


def _by_key(values: Mapping[Any, Any], known: Set[str], section: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of one entry by key; a section stands for its keys unless it is a value itself."""
    for typed, value in values.items():
        key = f"{section}{typed}"
        if isinstance(value, Mapping) and value and key.lstrip("+") not in known:
            yield from _by_key(value, known, f"{key}.")
        else:
            yield key, value


def source_of_warm_start(name: str, storage: "optuna.storages.BaseStorage", sweep_dir: Path) -> "optuna.Study":
    """Return the study that `hydra.sweeper.warm_start_from` names: a sweep's folder, one beside this one's, or in its storage.

    Raises:
        SweepError: there is none.
    """
    import optuna

    for folder in (Path(name), sweep_dir.parent / name):
        if (folder / study_file.DESCRIPTION).is_file():
            return study_file.read(folder).load()
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        beside = sorted(path.parent.name for path in sweep_dir.parent.glob(f"*/{study_file.DESCRIPTION}"))
        known = [study.study_name for study in storage.get_all_studies() if not is_lock(study.study_name)]
        names = list(dict.fromkeys([*known, *beside]))
        more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
        there_are = (", ".join(names[:_MOST_NAMES]) or "none") + more
        no_such = f"no such study{did_you_mean(name, names)}; there are {there_are}"
        raise SweepError(f"hydra.sweeper.warm_start_from={name}: {no_such}") from None


def copies(source: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    """Return the finished trials of `source`, to be added to another study; of a promoted one only its promotion."""
    import optuna

    named = {key.removeprefix(NOT_COPIED) for key in source.user_attrs if key.startswith(NOT_COPIED)}
    dropped = _OF_THE_RUN | named
    found = []
    finished = [trial for trial in source.get_trials(deepcopy=False) if trial.state.name in ("COMPLETE", "PRUNED")]
    promoted = promoted_numbers(finished)
    for trial in finished:
        if trial.number in promoted:
            continue
        attributes = {key: value for key, value in trial.user_attrs.items() if key not in dropped}
        origin = attributes.get(WARM_START, f"{source.study_name}/{trial.number}")
        found.append(
            optuna.trial.create_trial(
                state=trial.state,
                values=trial.values,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs={**attributes, WARM_START: origin},
                system_attrs={key: value for key, value in trial.system_attrs.items() if "constraints" in key},
                intermediate_values=trial.intermediate_values,
            )
        )
    return found


def begin(
    study: "optuna.Study",
    first: Sequence[Mapping[str, Any]],
    earlier: Sequence["optuna.trial.FrozenTrial"],
    renew: Callable[[], None] = lambda: None,
) -> None:
    """Enqueue what a study tries first, unless it has tried it; and add to a new one the finished trials of an earlier study.

    One process may do so at a time; it calls `renew` after each trial, to show that it is alive. If it is killed, the next
    process completes its work.
    """
    trials = study.get_trials(deepcopy=False)
    is_new = all(trial.state.name == "WAITING" or not is_own(trial) for trial in trials)
    for values in first:
        study.enqueue_trial(dict(values), skip_if_exists=True)
        renew()
    taken = {trial.user_attrs.get(WARM_START) for trial in trials}
    missing = [trial for trial in earlier if trial.user_attrs[WARM_START] not in taken] if is_new else []
    for trial in missing:
        study.add_trial(trial)
        renew()
    if missing:
        log.info(
            "taken over: %s of %s",
            counted(len(missing), "finished trial"),
            missing[0].user_attrs[WARM_START].rpartition("/")[0],
        )


def is_own(trial: "optuna.trial.FrozenTrial") -> bool:
    """Return whether the study ran the trial itself."""
    return WARM_START not in trial.user_attrs
