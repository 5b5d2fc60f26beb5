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

# What a file of the group `hydra/sweeper` begins with in place of `_target_`.
_OWN_DEFAULTS = ("defaults:", f"  - {_OURS}", "  - _self_")

_RANGE = re.compile(r"(?<![\w.])range\(([^()]*)\)")


@dataclass
class _File:
    """The edits of one config file: the span to replace, and its replacement; and what could not be turned, by line.

    Attributes:
        own: options of `hydra/sweeper` that the application has itself, which keep their names.
    """

    path: Path
    text: str
    is_inclusive: bool
    own: frozenset[str] = frozenset()
    edits: set[tuple[int, int, str]] = field(default_factory=set)
    left: dict[tuple[int, str], None] = field(default_factory=dict)

    def edited(self) -> str:
        text = self.text
        for start, end, replacement in sorted(self.edits, reverse=True):
            text = text[:start] + replacement + text[end:]
        return text

    def replace(self, node: Any, replacement: str) -> None:
        self.edits.add((node.start_mark.index, node.end_mark.index, replacement))

    def leave(self, node: Any, reason: str) -> None:
        self.left[node.start_mark.line + 1, reason] = None

    def turn(self) -> None:
        """Collect the edits.

        Raises:
            yaml.YAMLError: the file is no YAML.
        """
        root = yaml.compose(self.text, Loader=yaml.SafeLoader)
        if not isinstance(root, yaml.MappingNode):
            return
        header = re.search(r"^#\s*@package\s+(\S+)", self.text, re.MULTILINE)
        group = next((it for it in ("hydra/sweeper/sampler", "hydra/sweeper", "hydra") if self._is_in(it)), "")
        package = header[1] if header else group.replace("/", ".")
        entries = _entries(root)
        if package == "hydra.sweeper":
            self._turn_section(root, is_option=group == "hydra/sweeper")
        elif package == "hydra.sweeper.sampler":
            self._turn_samplers(root)
        else:
            hydra = root if package == "hydra" else entries.get("hydra")
            self._turn_section(_entries(hydra).get("sweeper"))
        self._turn_defaults(entries.get("defaults"), "hydra/sweeper" if group == "hydra/sweeper" else "")

    def _is_in(self, group: str) -> bool:
        return f"/{self.path.parent.as_posix()}".endswith(f"/{group}")

    def _turn_defaults(self, defaults: Any, group: str) -> None:
        if not isinstance(defaults, yaml.SequenceNode):
            return
        for item in defaults.value:
            if isinstance(item, yaml.ScalarNode):
                name, _, option = item.value.lstrip("/").rpartition("/")
                if (turned := self._option(name or group, option)) is not None:
                    self.replace(item, item.value[: len(item.value) - len(option)] + turned)
            for key, value in _pairs(item):
                name = re.sub(r"^((override|optional)\s+)*/?", "", str(key.value))
                if isinstance(value, yaml.ScalarNode) and (turned := self._option(name, value.value)) is not None:
                    self.replace(value, turned)

    def _option(self, group: str, option: str) -> str | None:
        """Return the option of ours in place of one of the peer's; None for any other."""
        is_own = group == "hydra/sweeper" and option in self.own - {self.path.stem if self._is_in(group) else ""}
        return None if is_own else _OPTIONS.get((group, option))

    def _turn_section(self, section: Any, *, is_option: bool = False) -> None:
        if not isinstance(section, yaml.MappingNode):
            return
        known = {it.name for it in fields(_conf())} | {"defaults"}
        entries = _entries(section)
        for key, value in _pairs(section):
            if key.value == "_target_":
                self._turn_target(key, value, section, is_option=is_option)
            elif key.value not in known:
                self.leave(key, f"hydra.sweeper.{key.value}: no such option")
        for key, value in _pairs(entries.get("params")):
            if isinstance(value, yaml.ScalarNode):
                self._turn_ranges(key.value, value)
        self._turn_search_space(section, entries)
        self._check_storage(entries.get("storage"))
        self._turn_samplers(entries.get("sampler"))

    def _turn_samplers(self, node: Any) -> None:
        for target, value in _targets(node):
            if target in _SAMPLERS:
                self.replace(value, _SAMPLERS[target])
        for key, _ in _pairs(node):
            if key.value == "n_ehvi_candidates":  # of the multi-objective TPE that TPE has replaced
                self.replace(key, "n_ei_candidates")

    def _turn_target(self, key: Any, value: Any, section: Any, *, is_option: bool) -> None:
        """Remove `_target_`; an option of the application's own then needs ours to begin with."""
        if not str(value.value).startswith(_PEER):
            return
        defaults = _entries(section).get("defaults")
        if section.flow_style or (len(section.value) == 1 and not is_option):
            self.leave(key, "hydra.sweeper._target_: to be removed")
            return
        if is_option and defaults is None:
            self.edits.add((key.start_mark.index, value.end_mark.index, self.newline.join(_OWN_DEFAULTS)))
            return
        if is_option and "optuna" not in [item.value for item in getattr(defaults, "value", ())]:
            self.leave(
                key, f"hydra.sweeper._target_: to be removed; the defaults then begin with {_OURS}, and override sampler"
            )
            return
        start = self.text.rfind("\n", 0, key.start_mark.index) + 1
        end = self.text.find("\n", value.end_mark.index) + 1 or len(self.text)
        self.edits.add((start, end, ""))

    @property
    def newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

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
            self.edits.add((start, start + len(match[0]), replacement))

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
        key = next(key for key, _ in _pairs(section) if key.value == "search_space")
        indent = " " * key.start_mark.column
        lines = yaml.safe_dump(params, sort_keys=False, allow_unicode=True, width=1000).splitlines()
        end = node.end_mark.index
        tail = self.text[node.start_mark.index : end]
        end -= len(tail) - len(tail.rstrip())
        if re.search(r"(^|\s)#", tail.rstrip()):
            self.leave(node, "hydra.sweeper.search_space: turned, but without its comments")
        self.edits.add((key.start_mark.index, end, f"{self.newline}{indent}  ".join(["params:", *lines])))

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
    """Return the entries of a mapping, those that `<<` merges into it included."""
    found = []
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode) and key.value == "<<":
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                found += _pairs(merged)
        elif isinstance(key, yaml.ScalarNode):
            found.append((key, value))
    return found


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
    paths = sorted(path for path in [*folder.rglob("*.yaml"), *folder.rglob("*.yml")] if path.is_file())
    own = frozenset(path.stem for path in paths if f"/{path.parent.as_posix()}".endswith("/hydra/sweeper"))
    files = []
    for path in paths:
        file = _File(path.relative_to(folder), "", is_inclusive, own)
        try:
            with path.open(encoding="utf-8", newline="") as opened:  # whose line ends stay
                file.text = opened.read()
            file.turn()
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            file.edits.clear()
            file.left = {(1, f"is not read: {first_line(error)}"): None}
        files.append(file)
    return files


def _diff(path: Path, old: str, new: str) -> Iterator[str]:
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    for line in difflib.unified_diff(before, after, f"a/{path}", f"b/{path}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


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
        sys.stdout.writelines(_diff(file.path, old, new))
        if given.write and new != old:
            with (given.folder / file.path).open("w", encoding="utf-8", newline="") as opened:
                opened.write(new)
    if all(file.text == file.edited() and not file.left for file in files):
        sys.stdout.write(f"{given.folder}: nothing to turn\n")
    left = [f"  {file.path}:{line}: {reason}\n" for file in files for line, reason in file.left]
    if left:
        sys.stdout.writelines(["to be turned by hand:\n", *left])
    return 0


if __name__ == "__main__":
    sys.exit(main())
