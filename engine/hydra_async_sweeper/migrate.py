"""Turns the configs of a hydra-optuna-sweeper application into ours: `python -m hydra_async_sweeper.migrate CONFIG_FOLDER`.

It prints a diff, or applies it with `--write`, and lists what it could not turn. Only what must change is edited, so comments
and order stay. `range(a,b)` includes `b` in hydra-optuna-sweeper up to 1.3; Hydra's own excludes it, as ours does.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.peer.options import inclusive_range, params_from_search_space, storage_url
from hydra_async_sweeper.readable import first_line

_PEER = "hydra_plugins.hydra_optuna_sweeper"
_OURS = "async_optuna"

# The peer's factories and samplers that Optuna has dropped, by Optuna's present class.
_SAMPLERS = {
    f"{_PEER}._impl.create_nsgaii_sampler": "optuna.samplers.NSGAIISampler",
    f"{_PEER}._impl.create_nsgaiii_sampler": "optuna.samplers.NSGAIIISampler",
    f"{_PEER}.config.raise_motpe_removed": "optuna.samplers.TPESampler",
    "optuna.samplers.MOTPESampler": "optuna.samplers.TPESampler",
}
_OPTIONS = {("hydra/sweeper", "optuna"): _OURS, ("hydra/sweeper/sampler", "motpe"): "tpe"}

_RANGE = re.compile(r"(?<![\w.])range\(([^()]*)\)")


@dataclass
class _File:
    """The edits of one config file: the span to replace, and its replacement; and what could not be turned."""

    path: Path
    text: str
    is_inclusive: bool
    edits: list[tuple[int, int, str]] = field(default_factory=list)
    left: list[tuple[int, str]] = field(default_factory=list)

    def edited(self) -> str:
        text = self.text
        for start, end, replacement in sorted(self.edits, reverse=True):
            text = text[:start] + replacement + text[end:]
        return text

    def replace(self, node: Any, replacement: str) -> None:
        self.edits.append((node.start_mark.index, node.end_mark.index, replacement))

    def leave(self, node: Any, reason: str) -> None:
        self.left.append((node.start_mark.line + 1, reason))

    def turn(self) -> None:
        """Collect the edits.

        Raises:
            yaml.YAMLError: the file is no YAML.
        """
        root = yaml.compose(self.text, Loader=yaml.SafeLoader)
        if not isinstance(root, yaml.MappingNode):
            return
        package = re.search(r"^#\s*@package\s+(\S+)", self.text, re.MULTILINE)
        is_section = "/hydra/sweeper/" in f"/{self.path.as_posix()}" and self.path.parent.name == "sweeper"
        if (package and package[1] == "hydra.sweeper") or (is_section and not package):
            self._turn_section(root)
            section_group = "hydra/sweeper"
        else:
            section_group = ""
            hydra = _entries(root).get("hydra")
            sweeper = _entries(hydra).get("sweeper") if hydra is not None else None
            if sweeper is not None:
                self._turn_section(sweeper)
        self._turn_defaults(_entries(root).get("defaults"), section_group)

    def _turn_defaults(self, defaults: Any, group: str) -> None:
        if not isinstance(defaults, yaml.SequenceNode):
            return
        for item in defaults.value:
            if isinstance(item, yaml.ScalarNode):
                option, at = (group, item.value), item
                if "/" in item.value:
                    name, _, last = item.value.lstrip("/").rpartition("/")
                    option = (name, last)
                if option in _OPTIONS:
                    self.replace(at, at.value[: len(at.value) - len(option[1])] + _OPTIONS[option])
            elif isinstance(item, yaml.MappingNode):
                for key, value in item.value:
                    name = key.value.removeprefix("override ").removeprefix("optional ").strip().lstrip("/")
                    if (name, value.value) in _OPTIONS:
                        self.replace(value, _OPTIONS[name, value.value])

    def _turn_section(self, section: Any) -> None:
        if not isinstance(section, yaml.MappingNode):
            return
        known = {it.name for it in fields(_conf())} | {"defaults"}
        entries = _entries(section)
        for key, value in section.value:
            if key.value == "_target_":
                self._turn_target(key, value, section)
            elif key.value not in known:
                self.leave(key, f"hydra.sweeper.{key.value}: no such option")
        for key, value in _pairs(entries.get("params")):
            if isinstance(value, yaml.ScalarNode):
                self._turn_ranges(key.value, value)
        self._turn_search_space(section, entries)
        self._check_storage(entries.get("storage"))
        for target, value in _targets(entries.get("sampler")):
            if target in _SAMPLERS:
                self.replace(value, _SAMPLERS[target])

    def _turn_target(self, key: Any, value: Any, section: Any) -> None:
        if not str(value.value).startswith(_PEER):
            return
        if section.flow_style:
            self.leave(key, "hydra.sweeper._target_: to be removed")
            return
        start = self.text.rfind("\n", 0, key.start_mark.index) + 1
        end = self.text.find("\n", value.end_mark.index) + 1 or len(self.text)
        self.edits.append((start, end, ""))

    def _turn_ranges(self, key: str, node: Any) -> None:
        text = self.text[node.start_mark.index : node.end_mark.index]
        if not self.is_inclusive or "shuffle" in text:  # the peer shuffles Hydra's own values
            return
        matches = list(_RANGE.finditer(text))
        if not matches and "range(" in text:
            self.leave(node, f"{key}: {node.value}: its bounds are no numbers; where they come from, the stop is excluded")
        for match in matches:
            try:
                replacement = _excluding(match[1])
            except (ValueError, ArithmeticError):
                self.leave(node, f"{key}: {match[0]}: its bounds are no rising numbers; the stop is excluded")
                continue
            start = node.start_mark.index + match.start()
            self.edits.append((start, start + len(match[0]), replacement))

    def _turn_search_space(self, section: Any, entries: dict[str, Any]) -> None:
        node = entries.get("search_space")
        if node is None or (isinstance(node, yaml.ScalarNode) and node.value in ("", "null", "~")):
            return
        if "params" in entries or section.flow_style:
            self.leave(node, "hydra.sweeper.search_space: beside params; it is read, but deprecated")
            return
        try:
            params = params_from_search_space(yaml.safe_load(yaml.serialize(node)))
        except SweepError as error:
            self.leave(node, str(error))
            return
        key = next(key for key, _ in section.value if key.value == "search_space")
        indent = " " * key.start_mark.column
        lines = yaml.safe_dump(params, sort_keys=False, allow_unicode=True, width=1000).splitlines()
        end = node.end_mark.index
        tail = self.text[node.start_mark.index : end]
        end -= len(tail) - len(tail.rstrip())
        self.edits.append((key.start_mark.index, end, f"\n{indent}  ".join(["params:", *lines])))

    def _check_storage(self, node: Any) -> None:
        if isinstance(node, yaml.MappingNode):
            try:
                storage_url(yaml.safe_load(yaml.serialize(node)))
            except SweepError as error:
                self.leave(node, str(error))


def _conf() -> type[Any]:
    from hydra_plugins.hydra_async_sweeper.sweeper import AsyncOptunaConf

    return AsyncOptunaConf


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _entries(node: Any) -> dict[str, Any]:
    return {key.value: value for key, value in _pairs(node)}


def _targets(node: Any) -> Iterator[tuple[str, Any]]:
    for key, value in _pairs(node):
        if key.value == "_target_":
            yield value.value, value
        yield from _targets(value)


def _excluding(arguments: str) -> str:
    """Return the `range(...)` that excludes its stop over the values of one that includes it.

    Raises:
        ValueError, ArithmeticError: an argument is no number, or the range does not rise.
    """
    given: dict[str, Any] = {}
    names = ["start", "stop", "step"]
    parts = [part.strip() for part in arguments.split(",")]
    for position, part in enumerate(parts):
        name, is_named, number = part.rpartition("=")
        given[name.strip() if is_named else names[position]] = _number(number)
    if "stop" not in given:
        given = {"start": 0, "stop": given.pop("start"), **given}
    start, stop, step = given.get("start", 0), given["stop"], given.get("step", 1)
    if step <= 0 or start > stop:
        raise ValueError(arguments)
    turned = inclusive_range(start, stop, step)
    return turned.replace("range(0,", "range(", 1) if len(parts) == 1 else turned


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _turned(folder: Path, *, is_inclusive: bool) -> list[_File]:
    files = []
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        try:
            file = _File(path.relative_to(folder), path.read_text(encoding="utf-8"), is_inclusive)
            file.turn()
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            file = _File(path.relative_to(folder), "", is_inclusive, left=[(1, f"is not read: {first_line(error)}")])
        files.append(file)
    return files


def main(arguments: Sequence[str] | None = None) -> int:
    """Turn the configs, and return the exit code: 1 if there is no such folder."""
    parser = argparse.ArgumentParser(prog="python -m hydra_async_sweeper.migrate", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="CONFIG_FOLDER")
    parser.add_argument("--write", action="store_true", help="apply the diff")
    parser.add_argument(
        "--range-excludes-stop", action="store_true", help="leave range alone: it was written for hydra-optuna-sweeper 1.4"
    )
    given = parser.parse_args(arguments)
    if not given.folder.is_dir():
        sys.stderr.write(f"{given.folder}: no such folder\n")
        return 1
    files = _turned(given.folder, is_inclusive=not given.range_excludes_stop)
    for file in files:
        old, new = file.text, file.edited()
        names = (f"a/{file.path}", f"b/{file.path}")
        sys.stdout.writelines(difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), *names))
        if given.write and new != old:
            (given.folder / file.path).write_text(new, encoding="utf-8")
    left = [f"  {file.path}:{line}: {reason}\n" for file in files for line, reason in file.left]
    if left:
        sys.stdout.writelines(["to be turned by hand:\n", *left])
    return 0


if __name__ == "__main__":
    sys.exit(main())
