"""How the command ends, whatever its first word."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import densenet_sweep
from densenet_sweep.__main__ import main
from densenet_sweep.dispatch import SUBCOMMANDS

# What else these need before an option that they do not have is looked at.
NEEDED = {
    "evaluate": ["model", "table.csv"],
    "export": ["model", "file.onnx", "--to", "onnx"],
    "predict": ["model", "image.png"],
    "rerun": ["run"],
}


@pytest.mark.parametrize("subcommand", ["", *SUBCOMMANDS])
@pytest.mark.parametrize("option", ["--nope", "--nope=3"])
def test_an_unknown_option_is_refused_in_one_line(command, subcommand, option, tmp_path):
    typed = command(*filter(None, [subcommand]), *NEEDED.get(subcommand, []), option)
    assert (typed.exit_code, typed.out) == (1, "")
    [line] = typed.err.splitlines()
    assert line.startswith(f"densenet-sweep: error: {option}: densenet-sweep")
    assert "no such option" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["serve", "--prot", "3"],
            "--prot: densenet-sweep serve has no such option; did you mean --port?; --help,",
        ),
        (["serve", "--port"], "--port: a value is missing"),
        (["serve", "--port", "x"], "--port x: a whole number is accepted"),
        (["serve", "one", "two"], "two: one argument too many; densenet-sweep serve --help shows what is accepted"),
        (["serve", "nowhere"], "nowhere: journal, sqlite, journal:PATH, grpc://HOST:PORT or a database URL is accepted"),
        (["rerun"], "densenet-sweep rerun: RUN_ID missing"),
        (["export", "model", "file.onnx"], "densenet-sweep export: --to missing"),
        (["predict", "champion"], "densenet-sweep predict: PATH missing;"),
        (["evaluate", "champion"], "densenet-sweep evaluate: FOLDER|TABLE missing;"),
        (["final", "--config-dir"], "--config-dir/-cd: a value is missing"),
        (
            ["--experiment=seed_recipe"],  # an abbreviation of one of Hydra's options, to argparse
            "--experiment=seed_recipe: densenet-sweep has no such option; an override has no dashes: experiment=seed_recipe",
        ),
        (["--info", "nope"], "--info/-i nope: one of all, config, defaults,"),
        (["describe", "--json=1"], "--json=1: --json takes no value"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(command, arguments, message):
    typed = command(*arguments)
    assert (typed.exit_code, typed.out) == (1, "")
    [line] = typed.err.splitlines()
    assert line.startswith(f"densenet-sweep: error: {message}")


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], ["--cfg", "job"], ["-sc", "query=bash"], *([it, "--help"] for it in SUBCOMMANDS)],
    ids=" ".join,
)
def test_a_reader_that_ends_early_is_no_error(command, monkeypatch, arguments):
    """As `head -1` ends."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8") as output:
        monkeypatch.setattr("sys.stdout", output)
        typed = command(*arguments)
    assert (typed.exit_code, typed.err) == (1, "")


def test_a_connection_that_breaks_is_an_error(command, monkeypatch):
    def broken(_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("densenet_sweep.commands.describe.main", broken)
    with open(os.devnull, "w", encoding="utf-8") as output:  # noqa: PTH123 - a stream with a file descriptor
        monkeypatch.setattr("sys.stdout", output)
        typed = command("describe")
    assert typed.exit_code == 1
    assert "Broken pipe" in typed.err


def test_windows_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "argv", ["densenet-sweep", "--version"])
    with pytest.raises(SystemExit, match=r"^densenet-sweep: error: Windows is not supported; WSL 2 runs it$"):
        main()


def test_nothing_that_windows_lacks_is_imported_before_it_is_refused():
    for path in Path(densenet_sweep.__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names}.isdisjoint({"fcntl", "grp", "pwd", "resource", "termios"}), path


def test_an_interruption_of_its_imports_is_no_traceback():
    script = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'hydra':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from densenet_sweep.__main__ import main\n"
        "main()\n"
    )
    typed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (typed.returncode, typed.stdout, typed.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("environment", "spins"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")]
)
def test_openmp_reads_how_long_threads_spin_from_the_command(environment, spins):
    others = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    typed = subprocess.run(
        [sys.executable, "-m", "densenet_sweep", "describe"],
        env={**others, "OMP_DISPLAY_ENV": "VERBOSE", **environment}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"GOMP_SPINCOUNT = '{spins}'" in typed.stderr
