"""What `rerun` accepts."""

from types import SimpleNamespace

import pytest

from densenet_sweep.commands import rerun
from densenet_sweep.config import composition, run_config


def test_several_values_are_refused_before_the_run_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^seed=choice\(1,2\): rerun trains one run, so one value is accepted$"):
        rerun.main(["a" * 32, "seed=choice(1,2)"])
    assert not list(tmp_path.iterdir())


def test_own_pictures_are_those_of_the_run(tmp_path, monkeypatch):
    options = {"architecture": "densenet_bc", "optimizer": "nesterov", "schedule": "cosine", "loss": "cross_entropy"}
    path = tmp_path / "config.yaml"
    values = run_config.shown(composition.typed(composition.compose(["data=image_folder", "data.root='bilder_é'"])))
    path.write_text(run_config.text({**options, "data": "image_folder"}, values), encoding="utf-8")
    run = SimpleNamespace(info=SimpleNamespace(status="FAILED"), data=SimpleNamespace(tags={}, metrics={}))
    for name, value in (("check_exists", None), ("connect", None), ("the_run", run), ("downloaded_config", path)):
        monkeypatch.setattr(rerun, name, lambda *_, value=value: value)
    command = rerun.main(["a" * 32, "data.root=elsewhere"])
    assert composition.typed(composition.compose(command.arguments[:-1])).data.root == "bilder_é"
    assert command.arguments[-1] == "data.root=elsewhere"
