import subprocess
from pathlib import Path

import pytest
import torch

from densenet_sweep.tracking import provenance


@pytest.fixture(autouse=True)
def _nothing_remembered():
    provenance.git_tags.cache_clear()
    yield
    provenance.git_tags.cache_clear()


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """The package and the working folder, both outside of git."""
    for name in ("installed", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "installed" / "provenance.py"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.fixture
def checkout(outside):
    folder = outside / "work"
    git(folder, "init", "--quiet")
    (folder / "code.py").write_text("a = 1\n")
    git(folder, "add", "code.py")
    git(folder, "commit", "--quiet", "-m", "First")
    return folder


@pytest.mark.usefixtures("outside")
def test_no_tags_outside_of_git():
    assert provenance.git_tags() == {}


def test_the_commit_of_a_clean_checkout(checkout):
    (checkout / "outputs.txt").write_text("not code")
    assert provenance.git_tags() == {"git.commit": git(checkout, "rev-parse", "HEAD"), "git.dirty": "false"}


def test_a_changed_file_makes_it_dirty(checkout):
    (checkout / "code.py").write_text("a = 2\n")
    assert provenance.git_tags()["git.dirty"] == "true"


def test_the_packages_own_checkout_comes_first(checkout, outside, monkeypatch):
    (outside / "elsewhere").mkdir()
    monkeypatch.setattr(provenance, "__file__", str(checkout / "provenance.py"))
    monkeypatch.chdir(outside / "elsewhere")
    assert provenance.git_tags()["git.commit"] == git(checkout, "rev-parse", "HEAD")


def test_a_repository_without_a_commit_has_no_tags(outside):
    git(outside / "work", "init", "--quiet")
    assert provenance.git_tags() == {}


@pytest.mark.usefixtures("checkout")
def test_a_status_that_fails_is_not_called_clean(monkeypatch):
    real = provenance._git
    monkeypatch.setattr(provenance, "_git", lambda folder, *words: None if words[0] == "status" else real(folder, *words))
    assert provenance.git_tags()["git.dirty"] == "unknown"


def test_a_machine_without_git(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert provenance.git_tags() == {}


@pytest.mark.usefixtures("outside")
def test_the_tags_name_what_computes():
    tags = provenance.provenance_tags(torch.device("cpu"))
    assert tags["device.type"] == "cpu"
    assert tags["torch.version"] == torch.__version__
    assert tags["num_threads"] == "1"
    assert set(tags) == {"device.name", "device.type", "host", "torch.version", "torchvision.version", "num_threads"}
    assert all(tags.values())
