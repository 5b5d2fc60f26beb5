"""The config of a study's best trial as an option file that runs again on its own, and the command that runs it.

The file holds what differs from the application's defaults: what was searched, typed, and set by options that set other
groups' keys, since choosing these again might start a sweep. What no option file can do, such as to remove a key, or to win
over a group that stands behind `experiment` in the application's defaults, is part of the command.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode
from omegaconf import DictConfig

from hydra_async_sweeper.best_config import (
    ABSENT,
    choices_of,
    composed,
    default_config,
    flat_job_config,
    is_below,
    is_same,
    option_overrides,
    sets_other_keys,
)
from hydra_async_sweeper.hydra_private import with_folder
from hydra_async_sweeper.space.override_text import override_text

# The option, of a group that the user names, as which the file is found.
_OPTION = "best"


@dataclass(frozen=True)
class BestFile:
    """The config of one trial as a file.

    Attributes:
        config_loader: Hydra's.
        config: of the trial, composed, with Hydra's part.
        group: the config group that gets the file.
        ignored: keys and sections to leave out, such as where results are written.
        repetition: further values by override path that repeat the trial exactly; written even if ignored.
    """

    config_loader: ConfigLoader
    config: DictConfig
    group: str
    ignored: Sequence[str] = ()
    repetition: Mapping[str, Any] = field(default_factory=dict)

    def write(self, sweep_dir: Path) -> list[str]:
        """Write the file below `sweep_dir`, the `--config-dir` of its command, and return the command's overrides.

        Raises:
            OSError: the folder cannot be written.
            Exception: Hydra's, if the config cannot be expressed in this way.
        """
        default, needed = default_config(self.config_loader, self.config)
        before = choices_of(default)
        command = [f"{'' if self.group in before else '+'}{self.group}={_OPTION}", *needed]
        if default.hydra.mode == RunMode.MULTIRUN:
            command.append("hydra.mode=RUN")
        choices = self._changed_choices(before)
        typed = option_overrides(choices, before)
        values = self._changed_values(composed(self.config_loader, self.config, [*needed, *typed]))
        self._write(sweep_dir, before, choices, values)
        try:
            return [*command, *self._missing(sweep_dir, command)]
        except Exception:  # the file cannot override a group that stands behind its own
            self._write(sweep_dir, before, {}, values)
            command += typed
            return [*command, *self._missing(sweep_dir, command)]

    def _changed_choices(self, before: Mapping[str, str | None]) -> dict[str, str | None]:
        """Return the options that differ from the application's defaults, without those that set other groups' keys."""
        after = choices_of(self.config)
        changed = {
            group: after.get(group)
            for group in [*after, *before]
            if after.get(group, None) != before.get(group, None) and not is_below(group, self.ignored)
        }
        return {
            group: option
            for group, option in changed.items()
            if group != self.group
            and not any(sets_other_keys(self.config_loader, group, it) for it in (option, before.get(group)))
        }

    def _changed_values(self, plain: DictConfig) -> dict[str, Any]:
        """Return the values that differ from those that the options give by themselves."""
        given = flat_job_config(plain, resolve=False)
        changed = {key: value for key, value in self._leaves().items() if not is_same(given.get(key, ABSENT), value)}
        return changed | dict(self.repetition)

    def _leaves(self) -> dict[str, Any]:
        leaves = flat_job_config(self.config, resolve=False)
        return {key: value for key, value in leaves.items() if not is_below(key, self.ignored)}

    def _missing(self, sweep_dir: Path, command: Sequence[str]) -> list[str]:
        """Return the overrides without which `command` does not give the trial's config."""
        again = composed(with_folder(self.config_loader, sweep_dir), self.config, command)
        given, wanted = flat_job_config(again, resolve=False), self._leaves() | dict(self.repetition)
        values = [
            f"++{key}={override_text(value)}" for key, value in wanted.items() if not is_same(given.get(key, ABSENT), value)
        ]
        known = flat_job_config(self.config, resolve=False)
        superfluous = [key for key in given if key not in known and not is_below(key, [*self.ignored, *self.repetition])]
        sections = [key for key in superfluous if not any(is_below(it, [key]) for it in known)]
        return [*(f"~{key}" for key in sections), *values]

    def add_header(self, sweep_dir: Path, header: str) -> None:
        """Put a comment at the top of the file, without its `#`."""
        path = self._path(sweep_dir)
        package, body = path.read_text(encoding="utf-8").split("\n", 1)
        comment = "\n".join(f"# {line}".rstrip() for line in header.splitlines())
        path.write_text(f"{package}\n{comment}\n{body}", encoding="utf-8")

    def _write(self, sweep_dir: Path, before: Mapping[str, Any], choices: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Write the file, without its header."""
        added = [{f"/{group}": option} for group, option in choices.items() if group not in before]
        overridden = [{f"override /{group}": option} for group, option in choices.items() if group in before]
        body = yaml.safe_dump({"defaults": [*added, "_self_", *overridden]}, sort_keys=False, allow_unicode=True)
        if values:
            body += "\n" + yaml.safe_dump(_nested(values), sort_keys=False, allow_unicode=True)
        path = self._path(sweep_dir)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# @package _global_\n{body}", encoding="utf-8")

    def _path(self, sweep_dir: Path) -> Path:
        return sweep_dir / self.group / f"{_OPTION}.yaml"


def _nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, value in leaves.items():
        *sections, last = path.split(".")
        node = root
        for section in sections:
            node = node.setdefault(section, {})
        node[last] = value
    return root
