"""The worked example of docs/pictures.md, typed as it is printed, with fewer patients, trials and epochs."""

import csv
import re
import shlex
import shutil
import subprocess
import sys

import pytest

FEWER = {
    "python": ["--patients", "126"],
    "sweep=quickstart": ["hydra.sweeper.n_trials=1", "epochs=1", "rungs=[]", "hydra/launcher=basic"],
    "confirm": ["--top", "1", "hydra/launcher=basic"],
}


@pytest.fixture
def commands(project) -> list[list[str]]:
    """The words of each command of the page."""
    page = (project / "docs" / "pictures.md").read_text(encoding="utf-8").partition("## A worked example")[2]
    blocks = re.findall(r"^```\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line) for line in lines]


def test_from_a_table_to_a_champion_and_its_auroc_on_new_patients(command, commands, project, tmp_path, empty_database):
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_database, tmp_path / "mlruns" / "mlflow.db")
    said = {}
    for program, *words in commands:
        if program == "python":
            subprocess.run([sys.executable, project / words[0], *words[1:], *FEWER[program]], cwd=tmp_path, check=True)
        else:
            typed = command(*words, *FEWER.get(words[0], []))
            assert typed.exit_code == 0, typed.err
            said[words[0]] = typed.out
    assert re.search(
        r"train \d+ \(healthy \d+, nodule \d+\).*left out: 3 bad, such as pictures/p000_0.png", said["sweep=quickstart"]
    )
    assert re.search(r"Test AUROC \d\.\d{4} ± ", said["confirm"])
    assert re.search(r"AUROC +\d\.\d{4} +\d\.\d{4} to \d\.\d{4}", said["evaluate"])
    assert "None of these files is among those that the model was trained and validated on." in said["evaluate"]
    rows = list(csv.DictReader((tmp_path / "predictions.csv").read_text().splitlines()))
    assert set(rows[0]) == {"path", "label", "probability_healthy", "probability_nodule"}
    assert len(rows) == 25
    assert len(list((tmp_path / "heat").rglob("*.png"))) == 25
    report = (tmp_path / "scans.html").read_text(encoding="utf-8")
    assert "got wrong with seed 1000: test pictures" in report
