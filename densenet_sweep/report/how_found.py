"""How a study's best configuration was found: what reviewers ask for, as facts and tables; what is unknown is called so.

The checklists of ACL, NeurIPS and AutoML: search space, sampler, budget, counts, selection, rival, seeds, hardware, cost, data,
and each reading of the test set.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from densenet_sweep.config.metrics import METRICS
from densenet_sweep.counts import counted
from densenet_sweep.report import rival
from densenet_sweep.report.reported import Reported
from densenet_sweep.results import fidelity, summary
from densenet_sweep.results.expected import BAND, FEWEST_VALUES, budgets, expected_best
from densenet_sweep.results.formatting import cell, duration, value
from densenet_sweep.results.study import Range, Search, Study, range_of
from densenet_sweep.results.validated_on import basis
from densenet_sweep.tracking.store import redacted

UNKNOWN = "not recorded"

_MOST_BUDGETS = 8


@dataclass(frozen=True)
class Table:
    """A table of texts."""

    title: str
    headings: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Found:
    """How the best of the study `name` was found: facts with their names, and tables."""

    name: str
    facts: list[tuple[str, str]]
    tables: list[Table]


def describe(reported: Reported) -> Found:
    """Return all that is known about how a study was searched, and what is not."""
    study = reported.study
    facts = [
        ("Command", redacted(reported.command or UNKNOWN)),
        ("Objective", _objective(study)),
        ("Selection", _selection(study)),
        ("Sampler", _over_time(study, "sampler")),
        ("Pruner", _over_time(study, "pruner")),
        ("Budget", _budget(study)),
        ("Trials", _trials(study)),
        ("Default configuration", rival.sentence(study)),
        ("Seeds", _seeds(reported)),
        ("Hardware", _hardware(reported)),
        ("Cost", _cost(reported)),
        ("Software", _software(reported)),
        ("Data", _data(study)),
        ("Test set", _test_set(reported)),
    ]
    tables = [_space(study), *_expected(study), _readings(reported)]
    return Found(study.name, facts, [table for table in tables if table.rows])


def _objective(study: Study) -> str:
    named = [
        f"{name}, {'maximized' if direction == 'maximize' else 'minimized'}"
        for name, direction in zip(study.objectives, study.directions, strict=True)
    ]
    folds = study.config.get("data.folds")
    when = f"the mean over {counted(folds, 'fold')}" if isinstance(folds, int) else "the value after the last epoch"
    return f"{'; '.join(named)} ({when})"


def _selection(study: Study) -> str:
    what = "the complete trial with the best value" if study.has_one_objective else "the Pareto front of the complete trials"
    known = basis(study)
    counts = f" of {counted(known['num_valid'], 'image')}" if "num_valid" in known else ""
    keys = ("data.folds", "data.valid_fraction", "data.split_seed", "data.group_column")
    settings = [f"{key}={study.config[key]}" for key in keys if study.config.get(key) is not None]
    split = f" ({', '.join(settings)})" if settings else ""
    return f"{what} on a validation split{counts}{split}; a search reads no test image"


def _over_time(study: Study, name: str) -> str:
    """Return the sampler or the pruner with its arguments, for each part of the study that had another one."""
    if not study.searches:
        return UNKNOWN
    texts = [(it.since_trial, _built(it.options.get(name))) for it in study.searches]
    parts = [text for index, text in enumerate(texts) if index == 0 or text[1] != texts[index - 1][1]]
    shown = [text if since == 0 else f"from trial {since} on {text}" for since, text in parts]
    return "; ".join([f"{UNKNOWN} for the first {counted(parts[0][0], 'trial')}", *shown] if parts[0][0] else shown)


def _built(section: Any) -> str:
    """Return a config section with a `_target_` as a call: `TPESampler(seed=0)`."""
    if not isinstance(section, Mapping):
        return "none" if section is None else str(section)
    if "_target_" not in section:
        return ", ".join(f"{key}={_built(item)}" for key, item in section.items())
    arguments = {key: item for key, item in section.items() if not key.startswith("_") and item is not None}
    return f"{str(section['_target_']).rpartition('.')[2]}({', '.join(f'{key}={_built(it)}' for key, it in arguments.items())})"


def _budget(study: Study) -> str:
    epochs, seconds = study.config.get("epochs"), study.config.get("max_seconds")
    limits = [counted(epochs, "epoch")] if isinstance(epochs, int) else []
    limits += [f"at most {counted(round(seconds), 'second')}"] if seconds is not None else []
    rungs = sorted({rung for trial in study.trials for rung in trial.rungs})
    before = f" after {'a rung' if len(rungs) == 1 else 'rungs'} of {', '.join(map(str, rungs))}" if rungs else ""
    each = f"; a whole training takes {' and '.join(limits)}{before}" if limits else ""
    if not study.searches:
        return f"{UNKNOWN}{each}"
    last = study.searches[-1]
    units = {"timeout": "seconds", "target": "", "patience": "trials without improvement", "trial_timeout": "seconds a trial"}
    stated = [f"{name}={last.options[name]} {unit}".strip() for name, unit in units.items() if name in last.options]
    if rule := last.options.get("stop_when"):
        stated.append(f"fewer where the next {counted(rule['trials'], 'trial')} promised a gain below {rule['gain']:g}")
    changed = _changed_budget(study.searches)
    trials = f"{counted(last.options['n_trials'], 'trial')} that end complete or pruned{changed}"
    return f"{', '.join([trials, *stated])}{each}"


def _changed_budget(searches: Sequence[Search]) -> str:
    """Return how the number of trials grew, as those who look at results and then add trials should say."""
    counts = [it.options["n_trials"] for it in searches]
    steps = [count for index, count in enumerate(counts) if index == 0 or count != counts[index - 1]]
    return f" (first {', then '.join(map(str, steps))})" if len(steps) > 1 else ""


def _trials(study: Study) -> str:
    begun = [trial for trial in study.trials if trial.is_own]
    counts = {
        state: sum(it.state == state and not it.is_infeasible for it in begun) for state in ("complete", "pruned", "failed")
    }
    counts["too big"] = sum(it.is_infeasible for it in begun)
    counts |= {state: sum(it.state == state for it in begun) for state in ("running", "waiting")}
    parts = [f"{number:,} {state}" for state, number in counts.items() if number or state in ("complete", "pruned", "failed")]
    taken = len(study.trials) - len(begun)
    promoted = len(study.successors())
    parts += [f"{taken:,} taken over from another study"] if taken else []
    continued = f"; {promoted:,} of the pruned ones were continued by another trial" if promoted else ""
    return f"{counted(len(study.trials), 'trial')}: {', '.join(parts)}{continued}"


def _seeds(reported: Reported) -> str:
    config = reported.study.config
    if "seed" in reported.study.parameters:
        trained = "the seed of the trainings was searched"
    else:
        trained = f"seed={config['seed']} in each training" if "seed" in config else f"trainings: {UNKNOWN}"
    parts = [trained]
    parts += [f"data.split_seed={config['data.split_seed']}"] if "data.split_seed" in config else []
    for found in reported.verdicts:
        seeds = sorted({seed for result in found.results for seed in result.trials})
        parts.append(f"the confirmation trained with {', '.join(map(str, seeds))}")
    return "; ".join([*parts, "the sampler's own is among its arguments" if reported.study.searches else ""]).removesuffix("; ")


def _hardware(reported: Reported) -> str:
    tags = reported.tags
    threads = tags.get("num_threads", "")
    is_cpu = tags.get("device.type") == "cpu" and threads.isdigit()
    device = ", ".join(filter(None, [tags.get("device.name", ""), counted(int(threads), "thread") if is_cpu else ""]))
    shown = f"{device} (the last trial's)" if device else UNKNOWN
    attempts = [attempt for trial in reported.study.trials for attempt in trial.attempts]
    if not attempts:
        return f"{shown}; workers: {UNKNOWN}"
    hosts = {it.host for it in attempts}
    workers = {(it.host, it.pid, it.process_start) for it in attempts}
    return f"{shown}; {counted(len(workers), 'worker')} on {counted(len(hosts), 'host')}"


def _cost(reported: Reported) -> str:
    study = reported.study
    spent = summary.summarize(study)
    unknown = sum(trial.own_seconds is None for trial in study.finished if trial.is_own and not trial.is_infeasible)
    parts = [f"{duration(spent.total_seconds, in_words=True)} of training"]
    if spent.span_seconds is not None:
        parts.append(f"{duration(spent.span_seconds, in_words=True)} from the first start to the last end")
    if unknown:
        parts.append(f"the time of {counted(unknown, 'trial')} is not recorded")
    confirmed = sum(it.seconds or 0.0 for it in reported.readings)
    parts += [f"its confirmation: {duration(confirmed, in_words=True)} of training"] if confirmed else []
    return "; ".join(parts)


def _software(reported: Reported) -> str:
    tags = reported.tags
    commit = tags.get("git.commit", "")[:10]
    dirty = " with changes" if tags.get("git.dirty") == "true" else ""
    parts = [f"commit {commit}{dirty}" if commit else f"commit {UNKNOWN}"]
    parts += [f"PyTorch {tags['torch.version']}"] if "torch.version" in tags else [f"PyTorch {UNKNOWN}"]
    optunas = list(dict.fromkeys(it.optuna for it in reported.study.searches))
    parts.append(f"Optuna {', '.join(optunas)}" if optunas else f"Optuna {UNKNOWN}")
    return ", ".join(parts)


def _data(study: Study) -> str:
    config = study.config
    keys = ("data.num_train", "data.image_size", "data.num_channels", "data.table", "data.root")
    settings = [str(config.get("data._target_", UNKNOWN)).rpartition(".")[2]]
    settings += [f"{key}={config[key]}" for key in keys if config.get(key) is not None]
    digests = [digest if len(study.images) == 1 else f"{digest} ({_settings(key)})" for key, digest in study.images.items()]
    return f"{', '.join(settings)}; digest of the images: {', '.join(digests) or UNKNOWN}"


def _settings(key: str) -> str:
    """Return the settings under which a digest is kept, which are JSON."""
    try:
        return ", ".join(f"{name}={json.dumps(item)}" for name, item in json.loads(key).items() if not name.startswith("_"))
    except (ValueError, AttributeError):
        return key


def _test_set(reported: Reported) -> str:
    others = "readings by final, rerun and evaluate are not recorded with the study"
    if not reported.readings:
        return f"no run of a confirmation has read it; {others}"
    runs = counted(len(reported.readings), "run")
    return f"read by {runs} of confirmations, once each, after the last epoch (see the table); {others}"


def _space(study: Study) -> Table:
    names = [*study.space, *(name for name in study.parameters if name not in study.space)]
    rows = []
    for name in names:
        found = study.space.get(name) or range_of(name, study.trials)
        when = " and ".join(f"{key} is {_listed(values)}" for key, values in study.conditions.get(name, {}).items())
        rows.append([name, range_text(found), "choice" if found.choices else "log" if found.is_log else "linear", when])
    with_conditions = any(row[3] for row in rows)
    headings = ["parameter", "values", "scale", "searched when"]
    return Table("Search space", headings[: 3 + with_conditions], [row[: 3 + with_conditions] for row in rows])


def range_text(values: Range) -> str:
    """Return the values of a range in words."""
    if values.choices:
        return ", ".join(map(str, values.choices))
    bounds = f"{cell(values.low)} to {cell(values.high)}"
    if values.step and not (values.is_whole and values.step == 1):
        bounds += f" in steps of {cell(values.step)}"
    return f"{bounds}, whole numbers" if values.is_whole else bounds


def _listed(values: Any) -> str:
    return " or ".join(map(str, values)) if isinstance(values, list | tuple) else str(values)


def _expected(study: Study) -> list[Table]:
    """Return the expected best of smaller budgets; where trials were pruned, of the early values that all of them have."""
    early = fidelity.early(study)
    of, when = (study, fidelity.end(study)) if early is None else (early.study, early.words)
    values = [trial.values[0] for trial in of.complete if math.isfinite(trial.values[0])]
    if not of.has_one_objective or len(values) < FEWEST_VALUES:
        return []
    words = METRICS[of.objectives[0]].label if of.objectives[0] in METRICS else of.objectives[0]
    rows = [
        [str(it.number), value(it.mean), f"{value(it.low)} to {value(it.high)}"]
        for it in expected_best(values, budgets(len(values), _MOST_BUDGETS), is_maximized=of.is_maximized)
    ]
    title = (
        f"Expected best {words} {when} of so many trials, drawn at random from the {counted(len(values), 'trial')} with a value"
    )
    return [Table(title, ["trials", "expected best", f"middle {BAND:.0%}".replace("%", " %")], rows)]


def _readings(reported: Reported) -> Table:
    rows = [
        [
            UNKNOWN if it.date is None else f"{it.date:%Y-%m-%d %H:%M}",
            f"{it.confirmation}/{it.number}",
            it.about,
            UNKNOWN if it.num_images is None else f"{it.num_images:,}",
            it.metric,
            value(it.value),
            it.run_id or UNKNOWN,
        ]
        for it in reported.readings
    ]
    return Table("Readings of the test set", ["date", "run", "trained", "images", "metric", "value", "MLflow run"], rows)
