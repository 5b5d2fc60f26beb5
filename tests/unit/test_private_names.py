"""Private names of libraries: in one file a library, and there on the installed release."""

import ast
import importlib
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from hydra_async_sweeper.optuna_private import INHERITED
from mlflow.entities import Metric, Run, RunData, RunInfo

from densenet_sweep.tracking.mlflow_private import last_step

PROJECT = Path(__file__).parent.parent.parent
SOURCES = sorted([*(PROJECT / "densenet_sweep").rglob("*.py"), *(PROJECT / "engine").glob("hydra_*/**/*.py")])
# Where each is, its owner ("" for a function of the module), and its name.
NEEDED = [
    ("hydra._internal.config_loader_impl", "ConfigLoaderImpl", "get_group_options"),
    ("hydra._internal.config_repository", "CachingConfigRepository", "load_config"),
    ("hydra._internal.core_plugins.basic_sweeper", "BasicSweeper", "split_arguments"),
    ("hydra._internal.hydra", "Hydra", "get_mode"),
    ("hydra._internal.utils", "", "get_args_parser"),
    ("hydra.main", "", "get_args_parser"),
]
PRIVATE_MODULE = re.compile(r"^(hydra|optuna|mlflow)(\.\w+)*\._")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_private_modules_are_imported_in_one_file_a_library(path):
    modules = {node.module or "" for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
    private = {module for module in modules if PRIVATE_MODULE.match(module)}
    assert not private or path.stem == f"{private.pop().partition('.')[0]}_private"


def private_accesses(path: Path) -> list[str]:
    """Return every `._name` in the file of an object other than the file's own `self`; torch is no concern of this rule."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Attribute) or not re.fullmatch(r"_[a-z].*[^_]", node.attr):
            continue
        owner = ast.unparse(node.value)
        if owner not in ("self", "cls", "super()") and not owner.startswith("torch"):
            found.append(f"{owner}.{node.attr}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_private_members_are_used_in_one_file_a_library(path):
    assert path.stem.endswith("_private") or not private_accesses(path)


def inherited_names(path: Path) -> set[str]:
    """Return the private members of `self` that the file neither defines nor assigns: they come from a base class elsewhere."""
    used, own = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "cls", "super()"):
            (own if isinstance(node.ctx, ast.Store) else used).add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            own |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in used - own if re.match(r"_[a-z]", name)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_inherited_private_members_are_listed(path):
    of_submitit = {"_registered"} if path.stem == "slurm" else set()
    assert inherited_names(path) - of_submitit <= {name for names in INHERITED.values() for name in names}


@pytest.mark.parametrize(("module", "owner", "name"), NEEDED)
def test_the_installed_release_has_it(module, owner, name):
    try:
        found = importlib.import_module(module)
        found = getattr(found, owner) if owner else found
    except (ImportError, AttributeError):
        found = None
    if not hasattr(found, name):
        pytest.fail(f"hydra {version('hydra-core')} has no {name} in {module} {owner}: change hydra_private.py", pytrace=False)


def test_the_steps_of_a_runs_metrics_are_known_to_this_release_of_mlflow():
    metrics = [Metric("valid_loss", 0.5, 0, 3), Metric("valid_loss", 0.4, 0, 4), Metric("system/cpu", 1.0, 0, 99)]
    assert hasattr(RunData(), "_metric_objs"), (
        f"mlflow {version('mlflow')} has no RunData._metric_objs: change mlflow_private.py"
    )
    info = RunInfo("r", "0", "user", "RUNNING", 0, None, "active")
    assert last_step(Run(info, RunData(metrics=metrics))) == 4
    assert last_step(Run(info, RunData())) == 0


def test_hydras_parser_reads_a_command_line_on_this_release():
    from densenet_sweep.config.hydra_private import command_line_parser  # a lost name fails the test above, in a sentence

    parsed = command_line_parser().parse_args(["-m", "--config-dir", "mine", "a=1"])
    assert (parsed.multirun, parsed.config_dir, parsed.overrides) == (True, "mine", ["a=1"])
