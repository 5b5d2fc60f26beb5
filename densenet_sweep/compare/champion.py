"""The end of a confirmation: what is printed and kept of it, and the champion, ready to be used."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

if TYPE_CHECKING:
    from densenet_sweep.compare.verdict import Verdict

log = logging.getLogger("densenet_sweep")


class Crown(Callback):
    """Marks a confirmation's parent run in MLflow, prints what was found, and keeps and registers the champion."""

    def on_study_open(self, config: DictConfig, study_name: str, sweep_dir: str) -> None:
        """Say in the parent run which study is confirmed."""
        from densenet_sweep.compare import finalists

        read = finalists.read(Path(sweep_dir))
        if read is not None:
            _tag_parent(config, study_name, {"confirms": read.study})

    def on_study_end(self, config: DictConfig, study_name: str, sweep_dir: str, **_: Any) -> None:
        """Print the table, also of a confirmation that was interrupted; keep the champion of one that came to its end."""
        from densenet_sweep.compare import confirmation, finalists, verdict
        from densenet_sweep.compare.leaderboard import wide_console
        from densenet_sweep.compare.studies import FoundStudy

        folder = Path(sweep_dir)
        read = finalists.read(folder)
        if read is None:
            return
        study = FoundStudy(study_name, folder, config.hydra.sweeper.storage).load()
        found = verdict.of(study, folder, read)
        console = wide_console()
        console.print()
        confirmation.show(found, console)
        (folder / "confirmation.json").write_text(json.dumps(confirmation.as_object(found), indent=2), encoding="utf-8")
        if found.champion is None:
            return
        shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
        _write_experiment(folder, shown, found)
        console.print("\nNext:", style="bold")
        lines = [(f"densenet-sweep final --config-dir {shown} experiment=champion", "train and test it again")]
        width = max(len(command) for command, _ in lines)
        for command, purpose in lines:
            console.print(f"  {command:<{width}}  # {purpose}", highlight=False, soft_wrap=True)


def _tag_parent(config: DictConfig, study_name: str, tags: dict[str, str]) -> None:
    """Set tags of the study's parent run; a store that fails costs a warning, as everywhere in a sweep."""
    if "uri" not in config.tracking:
        return
    from densenet_sweep.compare.asked import answering
    from densenet_sweep.tracking.run import find_parent
    from densenet_sweep.tracking.store import connect

    uri = str(config.tracking.uri)
    try:
        with answering(uri):
            client = connect(uri)
            experiment = client.get_experiment_by_name(config.tracking.experiment)
            parent = None if experiment is None else find_parent(client, experiment.experiment_id, study_name)
            if parent is not None:
                for key, value in tags.items():
                    client.set_tag(parent, key, value)
    except ConnectionError as error:
        log.warning("%s; the confirmation's own run is not marked", error)


def _write_experiment(folder: Path, shown: Path, found: "Verdict") -> Path:
    """Write the config of the champion's first run as the option `champion` of the group `experiment`."""
    assert found.champion is not None
    champion = found.results[found.champion]
    seed, number = min(champion.trials.items())
    config = (folder / str(number) / "artifacts" / "config.yaml").read_text(encoding="utf-8")
    package, _, rest = config.partition("\n")
    runs = champion.runs
    says = [
        f"The champion of study {found.finalists.study}: its trial {champion.finalist.trial}, with a test accuracy of",
        f"{runs.mean:.4f} ± {runs.deviation:.4f} over {len(runs.accuracies_S)} seeds. This is seed {seed}; the same again:",
        "",
        f"  densenet-sweep final --config-dir {shown} experiment=champion",
    ]
    path = folder / "experiment" / "champion.yaml"
    header = "\n".join(f"# {line}".rstrip() for line in says)
    path.write_text(f"{package}\n{header}\n{rest}", encoding="utf-8")
    return path
