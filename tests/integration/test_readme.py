"""What the README says can be typed."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from densenet_sweep.__main__ import SUBCOMMANDS
from densenet_sweep.config import composition

README = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    shlex.split(line.split("  #")[0])
    for block in BLOCKS
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("densenet-sweep ")
]


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 10


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_composes(words, monkeypatch):
    monkeypatch.setenv("DENSENET_SWEEP_STORAGE", "sqlite:///study.db")
    monkeypatch.setenv("DENSENET_SWEEP_PROXY", "host:13000")
    arguments = [word for word in words[1:] if not word.startswith("-")]
    if arguments and arguments[0] in SUBCOMMANDS:
        arguments = arguments[1:]
    overrides = [argument for argument in arguments if "=" in argument]
    primary = "confirm" if words[1:2] == ["confirm"] else composition.CONFIG_NAME
    composition.typed(composition.compose(overrides, config_name=primary))


def test_pictures_are_in_the_tree_and_small():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (Path(__file__).parent.parent.parent / picture).stat().st_size < 200_000


def test_the_first_commands_find_their_files_and_do_not_block_the_next_one():
    [block] = [block for block in BLOCKS if "densenet-sweep predict champion" in block and "confirm" in block]
    [picture] = re.findall(r"predict champion (\S+)", block)
    with Image.open(Path(__file__).parent.parent.parent / picture) as image:
        assert (image.size, image.mode) == ((28, 28), "L")
    for other in BLOCKS:
        blocking = [line for line in other.splitlines()[:-1] if re.match(r"densenet-sweep (ui|serve)\b(?! \w)", line)]
        assert all("&" in line for line in blocking), other


def test_every_option_of_every_group_is_in_the_table():
    folder = composition.config_folder()
    for group in ("data", "optimizer", "schedule", "tracking", "storage", "experiment", "sweep"):
        [row] = [line for line in README.splitlines() if line.startswith(f"| `{group}` |")]
        for path in (folder / group).glob("[!_]*.yaml"):
            assert f"`{path.stem}`" in row, (group, path.stem)


def test_numbers_name_their_command_and_commit():
    rows = [line for line in README.splitlines() if line.startswith("|") and "accuracy" in line]
    assert rows
    assert all(re.search(r"`(densenet-sweep|python benchmarks/\w+\.py)", row) for row in rows)
    assert all(re.search(r"\b[0-9a-f]{7}\b", row) for row in rows)
