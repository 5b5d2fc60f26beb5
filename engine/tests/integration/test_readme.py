"""What the README shows, typed: its application, its commands, its links."""

import re
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

ENGINE = Path(__file__).parents[2]
README = (ENGINE / "README.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\]\((tests/[^ )]+) \"(\w+)\"\)", README)


def block(first_line: str) -> str:
    """Return the block of the README that begins with this line."""
    return next(text for text in re.findall(r"```\w*\n(.*?)```", README, re.DOTALL) if text.startswith(first_line))


@pytest.mark.parametrize(("path", "test"), LINKS)
def test_each_guarantee_links_to_a_test_that_exists(path, test):
    assert re.search(rf"^def {test}\(", (ENGINE / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_there_is_no_guarantee_without_a_test():
    section = README.partition("## What is guaranteed")[2].partition("\n## ")[0]
    guarantees = re.split(r"^\d+\. ", section, flags=re.MULTILINE)[1:]
    assert len(guarantees) == 17
    assert all("[test](" in guarantee for guarantee in guarantees)


def test_one_line_makes_an_applications_sweep_parallel_pruned_and_continued(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(block("# conf/config.yaml"))
    (tmp_path / "app.py").write_text(block("# app.py"))
    alone, *sweeps = [line.partition("#")[0].split() for line in block("python app.py  ").splitlines()]

    def typed(words: list[str]) -> str:
        command = [sys.executable, *words[1:], *(["hydra.launcher.num_workers=2"] if "-m" in words else [])]
        return subprocess.run(
            command, cwd=tmp_path, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ).stdout

    typed(alone)
    assert not (tmp_path / "sweeps").exists()
    trials = []
    for words in sweeps:
        typed(words)
        backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "sweeps" / "lr_width" / "study.journal"))
        [study] = optuna.get_all_study_summaries(optuna.storages.JournalStorage(backend))
        storage = optuna.storages.JournalStorage(backend)
        found = optuna.load_study(study_name=study.study_name, storage=storage).get_trials(deepcopy=False)
        # One more may wait: of two workers that asked for the last one, the second put its own back.
        trials.append([trial for trial in found if trial.state.is_finished()])
    assert [len(found) for found in trials] == [40, 60]
    states = {trial.state.name for trial in trials[1]}
    assert states == {"COMPLETE", "PRUNED"}
    workers = {trial.user_attrs["lease"]["pid"] for trial in trials[0]}
    assert len(workers) == 2
