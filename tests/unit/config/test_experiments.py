"""An experiment says what is trained, and brings no code: a run's config may have become one."""

import re

import pytest

from densenet_sweep.config import composition
from densenet_sweep.config.schema import ConfigError


@pytest.mark.parametrize("way", ["--config-dir", "hydra.searchpath"])
@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("# @package _global_\nhydra:\n  callbacks:\n    x: {_target_: os.system}\n", "hydra"),
        ("# @package _global_\ntrusted_targets: [os.*]\n", "trusted_targets"),
        ("# @package _global_\ndefaults:\n  - override /hydra/launcher: joblib\n", "{'override /hydra/launcher': 'joblib'}"),
        ("# @package _global_\ndefaults:\n  - /optimizer@hydra.callbacks.x: sgd\n", "{'/optimizer@hydra.callbacks.x': 'sgd'}"),
        ("# @package hydra.callbacks\nx: {_target_: os.system}\n", "@package hydra.callbacks"),
    ],
)
def test_what_calls_something_is_refused(tmp_path, text, key, way):
    path = tmp_path / "experiment" / "evil.yaml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    message = f"^{re.escape(f'{path}: {key}: an experiment says what is trained')}"
    for chosen in ("experiment=evil", "experiment=seed_recipe,evil"):
        searchpath = [f"hydra.searchpath=[{tmp_path.as_uri()}]"] if way == "hydra.searchpath" else []
        with pytest.raises(ConfigError, match=message):
            composition.compose([chosen, *searchpath], config_dir=None if searchpath else str(tmp_path))


def test_an_experiment_of_ones_own_composes(tmp_path):
    path = tmp_path / "experiment" / "mine.yaml"
    path.parent.mkdir()
    path.write_text("# @package _global_\ndefaults:\n  - override /optimizer: adamw\nepochs: 3\n", encoding="utf-8")
    typed = composition.typed(composition.compose(["experiment=mine"], config_dir=str(tmp_path)))
    assert (typed.epochs, typed.optimizer._target_.rpartition(".")[2]) == (3, "adamw")


CHAMPION = """# @package _global_
defaults:
- override /architecture: densenet_bc
- override /optimizer: nesterov
- override /schedule: cosine
- override /data: digits
seed: 7
"""


@pytest.mark.parametrize("subcommand", [["final"], []])
@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("optimizer: {_target_: os.system}", "optimizer._target_=os.system: is neither ours nor trusted"),
        ("trusted_targets: [os.*]", "trusted_targets: an experiment says what is trained"),
        ("hydra: {callbacks: {x: {_target_: os.system, command: touch owned}}}", "hydra: an experiment says what is trained"),
        ("hydra: {job_logging: {formatters: {x: {(): os.system}}}}", "hydra: an experiment says what is trained"),
        ("hydra: {launcher: {_target_: os.system}}", "hydra: an experiment says what is trained"),
    ],
)
def test_a_champion_that_somebody_changed_calls_nothing(command, tmp_path, subcommand, added, message):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "champion.yaml").write_text(f"{CHAMPION}{added}\n", encoding="utf-8")
    typed = command(*subcommand, "--config-dir", str(tmp_path), "experiment=champion", "tracking=none")
    assert (typed.exit_code, typed.out) == (1, "")
    [line] = typed.err.splitlines()
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["experiment"]
