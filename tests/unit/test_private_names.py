"""Private names of libraries: in one file a library, and there on the installed release."""

import ast
import re
from pathlib import Path

import pytest
from mlflow.entities import Metric, Run, RunData, RunInfo

from densenet_sweep.config.hydra_private import command_line_parser
from densenet_sweep.tracking.mlflow_private import last_step

PROJECT = Path(__file__).parent.parent.parent
SOURCES = sorted([*(PROJECT / "densenet_sweep").rglob("*.py"), *(PROJECT / "engine" / "hydra_async_sweeper").rglob("*.py")])
PRIVATE_MODULE = re.compile(r"^(hydra|optuna|mlflow)(\.\w+)*\._")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_private_modules_are_imported_in_one_file_a_library(path):
    modules = {node.module or "" for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
    private = {module for module in modules if PRIVATE_MODULE.match(module)}
    assert not private or path.stem == f"{private.pop().partition('.')[0]}_private"


def test_the_steps_of_a_runs_metrics_are_known_to_this_release_of_mlflow():
    metrics = [Metric("valid_loss", 0.5, 0, 3), Metric("valid_loss", 0.4, 0, 4), Metric("system/cpu", 1.0, 0, 99)]
    info = RunInfo("r", "0", "user", "RUNNING", 0, None, "active")
    assert last_step(Run(info, RunData(metrics=metrics))) == 4
    assert last_step(Run(info, RunData())) == 0


def test_hydras_parser_reads_a_command_line_on_this_release():
    parsed = command_line_parser().parse_args(["-m", "--config-dir", "mine", "a=1"])
    assert (parsed.multirun, parsed.config_dir, parsed.overrides) == (True, "mine", ["a=1"])
