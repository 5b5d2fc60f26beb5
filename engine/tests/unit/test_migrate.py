from pathlib import Path

import pytest
from hydra_async_sweeper import migrate
from hydra_async_sweeper.migrate import _excluding

CONFIG = """\
# the search
defaults:
  - model: small
  - override hydra/sweeper: optuna   # ours now
  - override /hydra/sweeper/sampler: motpe
hydra:
  sweeper:
    _target_: hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper
    sampler:
      _target_: hydra_plugins.hydra_optuna_sweeper._impl.create_nsgaii_sampler
      population_size: 10
    n_trials: 20  # of range(1,3)
    unknown: 1
    storage: {_target_: optuna.storages.InMemoryStorage}
    params:
      x: range(1,3)
      y: "range(0.5, 5.5, step=1)"  # a comment
      z: choice(1,2)
      s: shuffle(range(1,3))
      t: range(1,${n})
"""

TURNED = """\
# the search
defaults:
  - model: small
  - override hydra/sweeper: async_optuna   # ours now
  - override /hydra/sweeper/sampler: tpe
hydra:
  sweeper:
    sampler:
      _target_: optuna.samplers.NSGAIISampler
      population_size: 10
    n_trials: 20  # of range(1,3)
    unknown: 1
    storage: {_target_: optuna.storages.InMemoryStorage}
    params:
      x: range(1,4)
      y: "range(0.5,6.5,1)"  # a comment
      z: choice(1,2)
      s: shuffle(range(1,3))
      t: range(1,${n})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hydra" / "sweeper").mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "hydra" / "sweeper" / "mine.yaml").write_text(
        "defaults:\n  - optuna\nsearch_space:\n  a:\n    type: int\n    low: 1\n    high: 9\n    step: 2\n"
        "  b: {type: categorical, choices: [sgd, '1']}\n\nn_trials: 3\n"
    )
    (tmp_path / "broken.yml").write_text("a: [1\n")
    return tmp_path


def test_a_diff_is_printed_and_nothing_written(folder, capsys):
    assert migrate.main([str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "-  - override hydra/sweeper: optuna   # ours now\n" in printed
    assert "+  - override hydra/sweeper: async_optuna   # ours now\n" in printed
    assert printed.partition("to be turned by hand:\n")[2].splitlines() == [
        "  broken.yml:1: is not read: while parsing a flow sequence",
        "  config.yaml:13: hydra.sweeper.unknown: no such option",
        "  config.yaml:20: t: range(1,${n}): its bounds are no rising numbers; the stop is excluded",
        "  config.yaml:14: hydra.sweeper.storage: optuna.storages.InMemoryStorage cannot be shared by workers; "
        "RDBStorage(url), JournalStorage of a JournalFileBackend(file_path), GrpcStorageProxy(host, port), "
        "or a URL is accepted",
    ]
    assert (folder / "config.yaml").read_text() == CONFIG


def test_written_it_is_ours_and_turned_once(folder, tmp_path, capsys):
    migrate.main([str(folder), "--write"])
    assert (folder / "config.yaml").read_text() == TURNED
    mine = (folder / "hydra" / "sweeper" / "mine.yaml").read_text()
    assert mine == "defaults:\n  - async_optuna\nparams:\n  a: range(1,10,2)\n  b: choice(sgd,'1')\n\nn_trials: 3\n"
    capsys.readouterr()
    migrate.main([str(folder), "--range-excludes-stop"])
    assert "@@" not in capsys.readouterr().out
    (tmp_path / "other").mkdir()
    migrate.main([str(tmp_path / "other")])
    assert capsys.readouterr().out == f"{tmp_path / 'other'}: nothing to turn\n"


# What is written in other ways: by file, before and after.
FORMS = {
    # Lists of options, Windows's line ends, no newline at the end, a value that two keys share, a section that is merged.
    "config.yaml": (
        "defaults:\r\n  - logger: [csv, wandb]\r\n  - override hydra/sweeper: mine\r\n"
        "space: &space\r\n  x: &few range(1,9)\r\nhydra:\r\n  sweeper:\r\n    params:\r\n      <<: *space\r\n      y: *few",
        "defaults:\r\n  - logger: [csv, wandb]\r\n  - override hydra/sweeper: mine\r\n"
        "space: &space\r\n  x: &few range(1,10)\r\nhydra:\r\n  sweeper:\r\n    params:\r\n      <<: *space\r\n      y: *few",
    ),
    # A whole section as an option of its own, called as the peer's: it keeps its name.
    "hydra/sweeper/optuna.yaml": (
        "_target_: hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper\r\nn_trials: 3\r\n",
        "defaults:\r\n  - async_optuna\r\n  - _self_\r\nn_trials: 3\r\n",
    ),
    "hydra/sweeper/sampler/nsga.yaml": (
        "_target_: hydra_plugins.hydra_optuna_sweeper._impl.create_nsgaii_sampler\n",
        "_target_: optuna.samplers.NSGAIISampler\n",
    ),
    "hydra/default.yaml": ("sweeper:\n  params:\n    z: range(3)\n", "sweeper:\n  params:\n    z: range(4)\n"),
    "experiment/e.yaml": ("defaults:\n  - optional override /hydra/sweeper: optuna\n  - /hydra/sweeper/sampler: motpe\n",) * 2,
}  # fmt: skip


def test_a_config_keeps_its_form(tmp_path, capsys):
    for path, (before, _) in FORMS.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(before.encode())
    (tmp_path / "folder.yaml").mkdir()
    migrate.main([str(tmp_path), "--write"])
    printed = capsys.readouterr().out
    assert "+  x: &few range(1,10)\r\n" in printed
    assert "to be turned by hand" not in printed
    after = FORMS | {"experiment/e.yaml": (None, FORMS["experiment/e.yaml"][0].replace("motpe", "tpe"))}
    assert {path: (tmp_path / path).read_bytes().decode() for path in FORMS} == {
        path: text for path, (_, text) in after.items()
    }


def test_a_folder_that_is_not_there_is_named(capsys):
    assert migrate.main(["/nonexistent"]) == 1
    assert capsys.readouterr().err == "/nonexistent: no such folder\n"


@pytest.mark.parametrize(
    ("included", "excluded"),
    [
        ("1,3", "range(1,4)"),
        ("5", "range(6)"),
        ("1,6,2", "range(1,6,2)"),
        ("1,5,step=2", "range(1,6,2)"),
        ("start=0,stop=1,step=0.25", "range(0,1.25,0.25)"),
        ("0,1,0.3", "range(0,1.2,0.3)"),
    ],
)
def test_a_range_that_includes_its_stop_becomes_one_that_does_not(included, excluded):
    assert _excluding(included) == excluded


@pytest.mark.parametrize("arguments", ["3,1", "3,1,-1", "a,3", "1,2,0"])
def test_a_range_without_a_counterpart_is_refused(arguments):
    with pytest.raises((ValueError, ArithmeticError)):
        _excluding(arguments)
