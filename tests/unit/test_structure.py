"""Rules of the layout that import-linter cannot see."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "densenet_sweep"
ENGINE = PACKAGE.parent / "engine"
PLUGINS = ENGINE / "hydra_plugins"
SOURCES = sorted([*PACKAGE.rglob("*.py"), *(ENGINE / "hydra_async_sweeper").rglob("*.py"), *PLUGINS.rglob("*.py")])


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
def test_only_the_composition_root_instantiates(path):
    uses = {name for name in imported(path) if name in ("hydra.utils.instantiate", "hydra.utils.call")}
    assert not uses or path == PACKAGE / "run" / "train.py"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_only_the_composition_root_takes_the_whole_config(path):
    takes_it = "densenet_sweep.config.schema.Config" in imported(path)
    assert not takes_it or path.parent == PACKAGE / "config" or path == PACKAGE / "run" / "train.py"


@pytest.mark.parametrize("path", sorted(PLUGINS.rglob("*.py")), ids=lambda path: path.stem)
def test_a_plugin_is_scanned_without_heavy_imports_and_without_postponed_annotations(path):
    top_level = ast.parse(path.read_text(encoding="utf-8")).body
    modules = {(node.module or "").partition(".")[0] for node in top_level if isinstance(node, ast.ImportFrom)} | {
        alias.name.partition(".")[0] for node in top_level if isinstance(node, ast.Import) for alias in node.names
    }
    assert modules <= {"hydra", "omegaconf", "collections", "dataclasses", "typing"}


def test_hydra_plugins_is_a_namespace_package():
    assert not (PLUGINS / "__init__.py").exists()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_files_are_short_and_say_what_they_own(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 350
    assert ast.get_docstring(ast.parse(text))
