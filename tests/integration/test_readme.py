"""What the README and the pages of docs/ say can be typed."""

import argparse
import importlib
import re
import shlex
import tomllib
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from PIL import Image

from densenet_sweep.config import composition
from densenet_sweep.config.metrics import METRICS, full_name
from densenet_sweep.dispatch import DRY_RUN, SUBCOMMANDS
from densenet_sweep.results.formats import FORMATS
from densenet_sweep.run import train
from densenet_sweep.run.recording import Job

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "engine" / "README.md"]
}


def blocks(language: str) -> dict[str, list[str]]:
    """Return the code blocks of each page in `language`; those of commands name none."""
    fence = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
    return {name: [block for named, block in fence.findall(page) if named == language] for name, page in PAGES.items()}


BLOCKS = [block for found in blocks("").values() for block in found]
LINES = [line.split("  #")[0].rstrip(" &") for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
TYPED = [shlex.split(line)[1:] for line in dict.fromkeys(LINES) if re.match(r"densenet-sweep (?!sweep=\.\.\.)", line)]
OWN = "trusted_targets=[my_package.*]"  # a command with it takes options that its page defines
COMMANDS = [words for words in TYPED if OWN not in words]
OTHERS = [line for line in dict.fromkeys(LINES) if re.match(r"(make|pip|python|export|source|mlflow|curl) ", line)]
# The study that `make sweep` makes, and those that the pages' own commands name.
STUDIES = {"quickstart-fashion_mnist_14px", *re.findall(r"hydra\.sweeper\.study_name=(\w+)", "".join(PAGES.values()))}
# Programs whose commands no test parses, by the page that says what they need.
NEEDS = {"mlflow": "docs/model.md", "curl": "docs/model.md"}


class Parsed(Exception):  # noqa: N818 - no error: it ends a subcommand before it does something
    """Carries what a parser made of the arguments."""


def parsed(subcommand: str, arguments: list[str]) -> argparse.Namespace:
    """Return what the subcommand's own parser makes of its arguments.

    Raises:
        SystemExit: it refuses them.
    """

    def ending(parse: Callable[..., argparse.Namespace]) -> Callable[..., argparse.Namespace]:
        def parse_and_end(*given: Any) -> argparse.Namespace:
            raise Parsed(parse(*given))

        return parse_and_end

    run = importlib.import_module(f"densenet_sweep.commands.{subcommand}").main
    with pytest.MonkeyPatch.context() as patched:
        for name in ("parse_args", "parse_intermixed_args"):
            patched.setattr(argparse.ArgumentParser, name, ending(getattr(argparse.ArgumentParser, name)))
        with pytest.raises(Parsed) as end:
            run(arguments)
    found: argparse.Namespace = end.value.args[0]
    return found


def examples(override: Override) -> list[str]:
    """Return overrides with the values that one with a sweep stands for; of a continuous one its ends."""
    value = override.value()
    if isinstance(value, IntervalSweep):
        return [f"{override.get_key_element()}={end}" for end in (value.start, value.end)]
    return [f"{override.get_key_element()}={text}" for text in override.sweep_string_iterator()]


def check(words: list[str], config_dir: str | None = None) -> None:
    """Refuse a command line that could not run, with the option files in `config_dir`.

    Raises:
        Exception: for a flag, an override, a metric, a format or a study that there is not.
    """
    if words[:1] and words[0] in SUBCOMMANDS:
        arguments = parsed(words[0], words[1:])
        typed = [word for value in vars(arguments).values() if isinstance(value, list) for word in value]
        if words[0] in ("clean", "compare", "confirm", "status", "ui"):
            studies = {word for word in typed if "=" not in word}
            assert studies <= STUDIES, f"no command of the pages makes {studies - STUDIES}"
        assert full_name(getattr(arguments, "metric", None) or "valid_accuracy") in METRICS
        assert getattr(arguments, "format", "table") in ("table", *FORMATS)
        assert getattr(arguments, "to", "onnx") in ("onnx", "torch_export")
        overrides = [word for word in typed if "=" in word]
    else:
        overrides = get_args_parser().parse_args([word for word in words if word != DRY_RUN]).overrides
    primary = "confirm" if words[:1] == ["confirm"] else composition.CONFIG_NAME
    read = OverridesParser.create().parse_overrides(overrides)
    fixed = [str(it.input_line) for it in read if not it.is_sweep_override()]
    each = [examples(it) for it in read if it.is_sweep_override()]
    for values in zip_longest(*each) if each else [()]:
        chosen = [value or first[0] for value, first in zip(values, each, strict=True)]
        composition.typed(composition.compose([*fixed, *chosen], config_dir=config_dir, config_name=primary))


@pytest.fixture(autouse=True)
def _stores(monkeypatch):
    monkeypatch.setenv("DENSENET_SWEEP_STORAGE", "sqlite:///study.db")
    monkeypatch.setenv("DENSENET_SWEEP_PROXY", "host:13000")


def test_there_are_commands_to_check():
    assert len(COMMANDS) > 30


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_could_run(words):
    check(words)


@pytest.mark.parametrize("line", OTHERS)
def test_another_programs_command_names_what_exists(line):
    program, *words = shlex.split(line.partition(" && ")[0] if "'" not in line else line.split(" -c ")[0])
    if program == "make":
        assert set(words) <= set(
            re.findall(r"^# make (\w+) ", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
        )
    elif program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
        assert words[0] == "install"
        assert {it for word in words for part in re.findall(r"\[(.+)\]", word) for it in part.split(",")} <= set(extras)
    elif program == "python":
        scripts = [word for word in words if word.endswith(".py")]
        assert all((ROOT / it).is_file() or any(f"# {it}\n" in page for page in PAGES.values()) for it in scripts)
    elif program == "export":
        variable = words[0].partition("=")[0]
        files = [ROOT / "compose.yaml", *(ROOT / "conf").rglob("*.yaml"), *(ROOT / "densenet_sweep").rglob("*.py")]
        assert any(variable in path.read_text(encoding="utf-8") for path in files)
    elif program == "source":
        assert words == [".venv/bin/activate"]
    else:
        assert line in PAGES[NEEDS[program]]


@pytest.mark.parametrize("block", [block for found in blocks("python").values() for block in found])
def test_a_block_of_python_is_python(block):
    compile(block, "block", "exec")


def test_options_and_functions_of_ones_own_work_as_they_are_printed(tmp_path, monkeypatch):
    sources = blocks("python")["docs/extend.md"]
    module = "\n\n".join(source for source in sources if source.startswith("# my_package.py"))
    (tmp_path / "my_package.py").write_text(f"{module}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    options = []
    for block in blocks("yaml")["docs/extend.md"]:
        name = re.match(r"# conf/(\S+)\n", block)[1]
        (tmp_path / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / name).write_text(block, encoding="utf-8")
        options.append("=".join(name.removesuffix(".yaml").rsplit("/", 1)))
    ours = [option for option in options if not option.startswith("hydra/")]
    assert {option.partition("=")[0] for option in ours} == {"architecture", "data", "loss", "optimizer", "schedule"}
    for words in TYPED:
        if OWN in words:
            check(words, str(tmp_path / "conf"))
    overrides = [*ours, OWN, "epochs=1", "batch_size=8", "tracking=none"]
    config = composition.typed(composition.compose(overrides, config_dir=str(tmp_path / "conf")))
    job = Job(tmp_path / "run", {}, overrides, final=True)
    assert 0 <= train.train(config, job) <= 1
    sampler = [option for option in options if option not in ours]
    composition.compose(["sweep=quickstart", *sampler], config_dir=str(tmp_path / "conf"))


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("compare wide --metric valid_acuracy", "valid_acuracy"),
        ("compare wide --metrik valid_accuracy", "--metrik"),
        ("compare wide --format xls", "xls"),
        ("compare wiide", "wiide"),
        ("confirm --top three", "three"),
        ("confirm quickstart-fashion_mnist_14px epoch=30", "epoch"),
        ("export champion champion.onnx", "--to"),
        ("status wide --wach", "--wach"),
        ("-m optimizer=sgd,adam", "adam"),
        ("-m optimizer=sgd seed=0,one", "one"),
        ("--multi-run optimizer=sgd", "--multi-run"),
        ("sweep=growth_depth_lr 'architecture.growth_rat=choice(12,24)'", "growth_rat"),
        ("sweep=growth_depth_lr hydra/sweeper/pruner=mediam", "mediam"),
        ("describe architecture=densenet_bc100", "densenet_bc100"),
    ],
)
def test_a_command_with_a_mistake_is_found(line, named, capsys):
    with pytest.raises((Exception, SystemExit)) as caught:
        check(shlex.split(line))
    assert named in f"{caught.value} {capsys.readouterr().err}"


def test_pictures_are_in_the_tree_and_small():
    pictures = {ROOT / picture for picture in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)}
    pictures |= {ROOT / "docs" / it for page in PAGES.values() for it in re.findall(r"!\[[^\]]+\]\((\.\./[^)]+)\)", page)}
    assert pictures
    assert all(picture.stat().st_size < 200_000 for picture in pictures)


def test_the_first_commands_find_their_files_and_do_not_block_the_next_one():
    [block] = [block for block in BLOCKS if "densenet-sweep predict champion" in block and "confirm" in block]
    [picture] = re.findall(r"predict champion (\S+)", block)
    with Image.open(ROOT / picture) as image:
        assert (image.size, image.mode) == ((28, 28), "L")
    for other in BLOCKS:
        blocking = [line for line in other.splitlines()[:-1] if re.match(r"densenet-sweep (ui|serve)\b(?! \w)", line)]
        assert all("&" in line for line in blocking), other


def test_every_option_of_every_group_is_in_the_table():
    folder = composition.config_folder()
    for group in ("data", "optimizer", "schedule", "loss", "tracking", "storage", "experiment", "sweep"):
        [row] = [line for line in PAGES["docs/train.md"].splitlines() if line.startswith(f"| `{group}` |")]
        for path in (folder / group).glob("[!_]*.yaml"):
            assert f"`{path.stem}`" in row, (group, path.stem)


def test_numbers_name_their_command_and_commit():
    def named(text: str) -> bool:
        return bool(re.search(r"`(densenet-sweep|python benchmarks/\w+\.py)", text) and re.search(r"\b[0-9a-f]{7}\b", text))

    blocks = PAGES["docs/benchmarks.md"].split("\n\n")
    tables = [(it, after) for it, after in zip(blocks, [*blocks[1:], ""], strict=True) if it.startswith("|")]
    assert tables
    for table, after in tables:  # each row does, or the paragraph below the table
        assert named(after) or all(named(row) for row in table.splitlines()[2:] if "accuracy" in row), table
