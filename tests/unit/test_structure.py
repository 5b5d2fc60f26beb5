"""Rules of the layout that import-linter cannot see."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hydra_async_sweeper import readable

from densenet_sweep import counts

PACKAGE = Path(__file__).parent.parent.parent / "densenet_sweep"
ENGINE = PACKAGE.parent / "engine"
PLUGINS = ENGINE / "hydra_plugins"
SOURCES = sorted([*PACKAGE.rglob("*.py"), *(ENGINE / "hydra_async_sweeper").rglob("*.py"), *PLUGINS.rglob("*.py")])
TEMPLATES = sorted(PACKAGE.rglob("*.j2"))

# What sentences of ours count: after a number these words come from `counted`, as one of them is no plural.
COUNTED = (
    "attempts|blocks|bytes|channels|characters|classes|comparisons|configurations|dimensions|epochs|files|folders|GPUs|hours|images|"
    "lines|losses|metrics|minutes|numbers|objectives|others|parameters|pictures|processes|rungs|runs|seconds|seeds|steps|studies|"
    "sweeps|tests|threads|times|trials|values|weights|workers"
)
# Up to two adjectives may stand between; "images/s" is a unit.
AFTER_A_NUMBER = rf"\s(?:(?!(?:as|for|has|in|is|of|on|to|with) )[a-z]+ ){{0,2}}(?:{COUNTED})\b(?!/)"


def imported(path: Path) -> set[str]:
    """Return `module.name` of everything that the file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_only_one_module_instantiates(path):
    uses = {name for name in imported(path) if name in ("hydra.utils.instantiate", "hydra.utils.call")}
    assert not uses or path == PACKAGE / "run" / "build.py"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_only_the_composition_root_takes_the_whole_config(path):
    takes_it = "densenet_sweep.config.schema.Config" in imported(path)
    assert not takes_it or path.parent == PACKAGE / "config" or path == PACKAGE / "run" / "train.py"


@pytest.mark.parametrize("path", sorted(PLUGINS.rglob("*.py")), ids=lambda path: path.stem)
def test_a_plugin_is_scanned_without_heavy_imports_and_without_postponed_annotations(path):
    top_level = ast.parse(path.read_text(encoding="utf-8")).body
    names = {node.module or "" for node in top_level if isinstance(node, ast.ImportFrom)} | {
        alias.name for node in top_level if isinstance(node, ast.Import) for alias in node.names
    }
    modules = {name.partition(".")[0] for name in names - {"hydra_async_sweeper.peer.target", "hydra_async_sweeper.section"}}
    assert modules <= {"hydra", "omegaconf", "collections", "dataclasses", "typing"}


def test_hydra_plugins_is_a_namespace_package():
    assert not (PLUGINS / "__init__.py").exists()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_files_are_short_and_say_what_they_own(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 350
    assert ast.get_docstring(ast.parse(text))


def uncounted(text: str) -> list[str]:
    """Return the f-strings and format strings of a module that put a number before a plural noun themselves."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            pairs = [(a, b.value) for a, b in pairwise(node.values) if isinstance(b, ast.Constant) and isinstance(b.value, str)]
            found += [ast.unparse(node) for a, words in pairs if may_be_one(a) and re.match(AFTER_A_NUMBER, words)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [node.value for _ in re.finditer(rf"(?:%[,\d]*[ds]|{{[^{{}}]*}}){AFTER_A_NUMBER}", node.value)]
    return found


def may_be_one(node: ast.expr) -> bool:
    """Return whether an f-string's value may be the number 1: no text, no constant of ours, and no number with decimals."""
    if not isinstance(node, ast.FormattedValue):
        return False
    if node.format_spec is not None and re.search(r"\.[1-9]", ast.unparse(node.format_spec)):
        return False
    value = node.value
    is_text = isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Call) and ast.unparse(value.func).endswith("join"))
    return not is_text and not (isinstance(value, ast.Name) and value.id.isupper())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_a_number_and_its_noun_come_from_one_function(path):
    assert uncounted(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_number_and_its_noun_come_from_one_function_in_templates_too(path):
    assert re.findall(rf"}}}}{AFTER_A_NUMBER}", path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "written",
    [
        'f"{n} trials"',
        'f"{len(complete):,} complete trials: the best"',
        'f"of {number:.0f} validation images is"',
        '"died %d times"',
        '"{} test images".format(n)',
    ],
)
def test_a_number_before_a_plural_is_found(written):
    assert len(uncounted(written)) == 1


@pytest.mark.parametrize(
    "written",
    [
        'f"{speed:,.0f} images/s"',
        'counted(n, "trial") + " ended"',
        'f"{seconds / 3600:.1f} hours"',
        'f"more than {_MOST} values"',
    ],
)
def test_a_unit_a_constant_and_a_counted_noun_are_no_plural_of_one(written):
    assert uncounted(written) == []


@pytest.mark.parametrize("counted", [counts.counted, readable.counted], ids=["densenet_sweep", "engine"])
def test_only_one_is_singular(counted):
    assert [counted(n, "trial") for n in (0, 1, 2, 1200)] == ["0 trials", "1 trial", "2 trials", "1,200 trials"]
    assert [counted(2, noun) for noun in ("class", "epoch", "batch")] == ["2 classes", "2 epochs", "2 batches"]
