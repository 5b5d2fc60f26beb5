"""The end of a confirmation: prints and keeps its result, and registers the champion."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from hydra_async_sweeper.application import with_config_dir
from hydra_async_sweeper.readable import shown_path
from omegaconf import DictConfig, OmegaConf

from densenet_sweep.callbacks import caption
from densenet_sweep.config import composition, from_run
from densenet_sweep.config.metrics import METRICS
from densenet_sweep.confirm import finalists, leave_out, verdict
from densenet_sweep.confirm import text as confirmation
from densenet_sweep.confirm.finalists import VERDICT
from densenet_sweep.counts import counted
from densenet_sweep.results import next_commands
from densenet_sweep.results.next_commands import command
from densenet_sweep.tracking import configured
from densenet_sweep.tracking.study_runs import StudyKey

if TYPE_CHECKING:
    from densenet_sweep.confirm.verdict import Verdict
    from densenet_sweep.results.study import Study

log = logging.getLogger("densenet_sweep")

_NUM_EXAMPLES = 3


class RegisterChampion(Callback):
    """Marks a confirmation's parent run in MLflow, prints the result, and keeps and registers the champion."""

    def on_study_open(self, config: DictConfig, study_name: str, sweep_dir: str, study_id: str | None = None, **_: Any) -> None:
        """Tag the parent run with the study that is confirmed, and say above the live table what "value" is."""
        folder = Path(sweep_dir)
        read = finalists.read(folder)
        if read is not None:
            caption.write(study_name, folder, config.hydra.sweeper.storage, caption.of_confirmation(read))
            _annotate_parent(config, StudyKey(study_name, study_id), {"confirms": read.study})

    def on_queue_empty(self, config: DictConfig, study_name: str, sweep_dir: str) -> list[dict[str, Any]]:
        """Return the runs that are still needed to decide, with the next seed."""
        from densenet_sweep.results.from_optuna import read_study
        from densenet_sweep.results.studies import FoundStudy

        folder = Path(sweep_dir)
        read = finalists.read(folder)
        if read is None or not read.planned:
            return []
        study = read_study(FoundStudy(study_name, folder, config.hydra.sweeper.storage).load())
        return [read.run(option, seed) for option, seed in verdict.wanted(study, folder, read)]

    def on_study_end(self, config: DictConfig, study_name: str, sweep_dir: str, **_: Any) -> None:
        """Print the table, even of an interrupted confirmation; keep the champion of a complete one."""
        from densenet_sweep.results.from_optuna import read_study
        from densenet_sweep.results.leaderboard import wide_console
        from densenet_sweep.results.studies import FoundStudy

        folder = Path(sweep_dir)
        read = finalists.read(folder)
        if read is None:
            return
        study = read_study(FoundStudy(study_name, folder, config.hydra.sweeper.storage).load())
        console = wide_console()
        console.print()
        if read.column:
            leave_out.show(study, read, console)
            (folder / VERDICT).write_text(json.dumps(leave_out.as_object(study, read), indent=2), encoding="utf-8")
            return
        found = verdict.reach(study, folder, read)
        confirmation.show(found, console)
        (folder / VERDICT).write_text(json.dumps(confirmation.as_object(found), indent=2), encoding="utf-8")
        _record_result(config, StudyKey(study.name, study.id), found)
        if found.champion is None:
            return
        again = command("final", *with_config_dir(str(shown_path(folder))), "experiment=champion")
        _write_experiment(config, study, folder, again, found)
        lines = [(again, "train and test it again")]
        if _registered(config, study, folder, found):
            lines = [
                (command("ui", read.study, config=config), "look at the runs in MLflow"),
                (command("predict", "champion", "image.png", config=config), "classify pictures with it"),
                (command("export", "champion", "champion.onnx", "--to=onnx", config=config), "take it elsewhere"),
                *lines,
            ]
        next_commands.show(console, lines)


def _record_result(config: DictConfig, study: StudyKey, found: "Verdict") -> None:
    """Log the means and deviations of the finalists, and the champion's, with the confirmation's run."""
    metrics: dict[str, float] = {}
    for result in found.results:
        prefix = f"trial_{result.finalist.trial}_{found.metric}"
        metrics |= {f"{prefix}_mean": result.runs.mean, f"{prefix}_sd": result.runs.deviation}
    tags = {}
    if found.champion is not None:
        champion = found.results[found.champion]
        metrics = {found.metric: champion.runs.mean, f"{found.metric}_sd": champion.runs.deviation, **metrics}
        tags = {"champion.trial": str(champion.finalist.trial)}
    _annotate_parent(config, study, tags, metrics)


def _registered(config: DictConfig, study: "Study", folder: Path, found: "Verdict") -> bool:
    """Register the champion's first run, which was not chosen by test accuracy, and return whether that succeeded."""
    assert found.champion is not None
    champion = found.results[found.champion]
    seed, number = min(champion.trials.items())
    trial = study.trials[number]
    tracking = configured.section(config)
    if not tracking:
        return False
    from densenet_sweep.models.registry import REGISTERED_NAME, register
    from densenet_sweep.models.trained import classifier
    from densenet_sweep.results.studies import NamedTrial
    from densenet_sweep.run import splits
    from densenet_sweep.tracking.access import answering

    log.info("registering the champion")
    uri, runs = str(tracking["uri"]), champion.runs
    artifacts = trial.folder_in(folder) / "artifacts"
    tags = {
        **StudyKey(found.finalists.study, found.finalists.study_id).tags,
        "trial": str(champion.finalist.trial),
        "seed": str(seed),
        found.metric: f"{runs.mean:.4f}",
        f"{found.metric}.sd": f"{runs.deviation:.4f}",
        f"{found.metric}.seeds": str(len(runs.values_S)),
    }
    try:
        given, config_dir = _of_the_user(config)
        trained_as = from_run.config(artifacts / "config.yaml", given, config_dir=config_dir)
        examples = splits.example_images(trained_as.data, _NUM_EXAMPLES, trusted=trained_as.trusted_targets)
        run_id = NamedTrial(study.name, trial, folder).run_id(uri)
        if run_id is None:
            return False
        with answering(uri):
            version = register(
                uri,
                run_id,
                classifier(artifacts, given, config_dir=config_dir),
                examples.images_NCHW,
                tags=tags,
                description="\n\n".join(confirmation.sentences(found)),
            )
            parent = configured.find_parent(tracking, StudyKey(study.name, study.id))
            if parent is not None:
                parent.keep(folder / VERDICT)
                parent.keep(folder / "experiment" / "champion.yaml")
    except (ConnectionError, OSError, ValueError) as error:
        log.warning("the champion is not registered: %s", error)
        return False
    log.info("registered as version %s of %s, with the alias champion", version, REGISTERED_NAME)
    return True


def _of_the_user(config: DictConfig) -> tuple[list[str], str | None]:
    """Return what a confirmation received of the user's own: overrides that name code, and `--config-dir`."""
    typed: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    trusted = f"trusted_targets=[{','.join(config.get('trusted_targets') or [])}]"
    folders = composition.own_config_folders(config.hydra)
    return [*from_run.of_training(typed), trusted], str(folders[0]) if folders else None


def _annotate_parent(
    config: DictConfig, study: StudyKey, tags: Mapping[str, str], metrics: Mapping[str, float] = MappingProxyType({})
) -> None:
    """Set tags and metrics of the confirmation's parent run; a store that fails costs a warning, as everywhere in a sweep."""
    tracking = configured.section(config)
    if not tracking:
        return
    from densenet_sweep.tracking.access import answering

    try:
        with answering(str(tracking["uri"])):
            parent = configured.find_parent(tracking, study)
            if parent is not None:
                parent.annotate(tags, metrics)
    except ConnectionError as error:
        log.warning("%s; the confirmation's own run is not marked", error)


def _write_experiment(config: DictConfig, study: "Study", folder: Path, again: str, found: "Verdict") -> Path:
    """Write the config of the champion's first run as the option `champion` of the group `experiment`."""
    assert found.champion is not None
    champion = found.results[found.champion]
    seed, number = min(champion.trials.items())
    runs = champion.runs
    label = METRICS[found.metric].label
    says = [
        f"The champion of study {found.finalists.study}: its trial {champion.finalist.trial}, with a {label} of",
        f"{runs.mean:.4f} ± {runs.deviation:.4f} over {counted(len(runs.values_S), 'seed')}.",
        f"This is seed {seed}; the same again:",
        "",
        f"  {again}",
    ]
    path = folder / "experiment" / "champion.yaml"
    given, config_dir = _of_the_user(config)
    kept = study.trials[number].folder_in(folder) / "artifacts" / "config.yaml"
    from_run.copy(kept, path, given, config_dir=config_dir, comment="\n".join(says))
    return path
