"""The distributions that users install: what is in them, that a second build is the same, and that they run elsewhere."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from twine.commands.check import check

ROOT = Path(__file__).parent.parent.parent
SOURCES = {"densenet_sweep": ROOT, "hydra_async_sweeper": ROOT / "engine"}


def build(source: Path, folder: Path) -> list[Path]:
    """Return the wheel and the source distribution of a project, in `folder`."""
    builders = (WheelBuilder(str(source)), SdistBuilder(str(source)))
    return [Path(path) for builder in builders for path in builder.build(directory=str(folder), versions=["standard"])]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """Return the wheel and the source distribution of each project, by its name."""
    folder = tmp_path_factory.mktemp("dist")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        return {name: build(source, folder) for name, source in SOURCES.items()}


def modules(folder: Path) -> set[str]:
    return {str(path.relative_to(folder.parent)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


@pytest.mark.parametrize("name", SOURCES)
def test_a_second_build_is_the_same_byte_for_byte_also_from_the_source_distribution(distributions, name, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    wheel, source = distributions[name]
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    for again, first in zip(build(unpacked, tmp_path), (wheel, source), strict=True):
        assert again.name == first.name
        assert again.read_bytes() == first.read_bytes()


def test_wheels_hold_the_packages_the_config_files_types_and_licence_and_nothing_else(distributions):
    expected = {
        "densenet_sweep": {
            *modules(ROOT / "densenet_sweep"),
            *(f"densenet_sweep/{path}" for path in modules(ROOT / "conf")),
            "densenet_sweep/CITATION.cff",
        },
        "hydra_async_sweeper": modules(ROOT / "engine/hydra_async_sweeper") | modules(ROOT / "engine/hydra_plugins"),
    }
    for name, (wheel, _) in distributions.items():
        with zipfile.ZipFile(wheel) as archive:
            files = {path for path in archive.namelist() if ".dist-info/" not in path}
            assert any(path.endswith("licenses/LICENSE") for path in archive.namelist())
        assert files == expected[name]
        assert f"{name}/py.typed" in files


def test_source_distributions_hold_what_wheels_are_built_from_and_no_tests(distributions):
    for name, (_, source) in distributions.items():
        with tarfile.open(source) as archive:
            files = {path.partition("/")[2] for path in archive.getnames()}
        assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", f"{name}/py.typed"} <= files
        assert not any(Path(path).name.startswith("test_") or path.startswith((".ci", "benchmarks")) for path in files)


def test_an_index_would_take_them(distributions):
    assert not check([str(path) for built in distributions.values() for path in built], strict=True)


def test_the_wheels_run_from_another_folder_in_an_environment_of_their_own(distributions, tmp_path):
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    for wheel, _ in distributions.values():
        with zipfile.ZipFile(wheel) as archive:  # what an installer does, without the scripts
            archive.extractall(packages)
    # A path alone: the checkout's own entries there are not followed.
    (packages / "shared.pth").write_text(f"{Path(torch.__file__).parent.parent}\n")
    place = tmp_path / "a place"
    place.mkdir()
    python, environ = environment / "bin" / "python", {**os.environ, "PYTHONPATH": "", "OMP_WAIT_POLICY": "PASSIVE"}
    where = [python, "-c", "import densenet_sweep; print(densenet_sweep.__file__)"]
    assert subprocess.check_output(where, cwd=place, env=environ, text=True).startswith(str(packages))
    # A run's config names our sweeper and launcher, which Hydra must find among the plugins.
    typed = [python, "-m", "densenet_sweep", "data=digits", "data.num_train=100", "epochs=1", "architecture.depth=10"]
    found = subprocess.run(typed, cwd=place, env=environ, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert (place / "mlruns" / "mlflow.db").is_file()
