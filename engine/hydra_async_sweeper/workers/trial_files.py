"""What Hydra writes into a trial's folder: `hydra.sweeper.trial_files`.

Hydra writes four small files for each job: its config, Hydra's own, the overrides and a log. In a sweep of many short trials
the overrides say as much as the configs, and the study holds them, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

# Hydra's four files; the overrides alone; nothing, so that a trial whose task writes nothing leaves no folder.
ALL, OVERRIDES, NONE = "all", "overrides", "none"
CHOICES = (ALL, OVERRIDES, NONE)


@contextmanager
def written(config: DictConfig, kept: str) -> Iterator[None]:
    """Run a job inside the context: it writes only the files that are `kept`.

    Args:
        config: of the job, composed, whose Hydra section may be changed.
        kept: one of `CHOICES`.
    """
    if kept == ALL:
        yield
        return
    folder = Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
    below, config.hydra.output_subdir = config.hydra.output_subdir, None
    config.hydra.job_logging = _without_files(OmegaConf.to_container(config.hydra.job_logging, resolve=False))
    if kept == OVERRIDES and below is not None:
        file = folder / str(below) / "overrides.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = OmegaConf.to_container(config.hydra.overrides.task)
        file.write_text(yaml.safe_dump(lines, sort_keys=False, allow_unicode=True), encoding="utf-8")
    try:
        yield
    finally:
        if kept == NONE:
            with suppress(OSError):  # it holds what the task wrote
                folder.rmdir()


def _without_files(logging: Any) -> Any:
    """Return a `hydra.job_logging` section without the handlers that write files."""
    if not isinstance(logging, dict) or not logging.get("handlers"):
        return logging
    files = {name for name, handler in logging["handlers"].items() if "filename" in (handler or {})}
    loggers = [logging.get("root"), *(logging.get("loggers") or {}).values()]
    for logger in (it for it in loggers if it and it.get("handlers")):
        logger["handlers"] = [name for name in logger["handlers"] if name not in files]
    return {**logging, "handlers": {name: it for name, it in logging["handlers"].items() if name not in files}}
