"""What a user reads at the end of a sweep: the leaderboard and what to type next."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class PrintLeaderboard(Callback):
    """Prints the leaderboard of a study that has ended, and the next three commands."""

    def on_study_end(self, config: DictConfig, study_name: str, sweep_dir: str, **_: Any) -> None:
        """Print both; an interrupted study is shown as far as it came."""
        from densenet_sweep.compare.leaderboard import show, wide_console
        from densenet_sweep.compare.studies import FoundStudy

        folder = Path(sweep_dir)
        study = FoundStudy(study_name, folder, config.hydra.sweeper.storage).load()
        if not study.get_trials(deepcopy=False):
            return
        console = wide_console()
        console.print()
        show(study, console=console)
        shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
        console.print("\nNext:", style="bold")
        lines = (
            ("densenet-sweep ui", "look at the runs in MLflow"),
            (f"densenet-sweep compare {study_name}", "this table again"),
            (f"densenet-sweep --config-dir {shown} experiment=best", "train the best one again"),
        )
        width = max(len(command) for command, _ in lines)
        for command, purpose in lines:
            console.print(f"  {command:<{width}}  # {purpose}", highlight=False, soft_wrap=True)
