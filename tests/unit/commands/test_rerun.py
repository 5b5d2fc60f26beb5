"""What `rerun` accepts."""

import pytest

from densenet_sweep.commands import rerun


def test_several_values_are_refused_before_the_run_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^seed=choice\(1,2\): rerun trains one run, so one value is accepted$"):
        rerun.main(["a" * 32, "seed=choice(1,2)"])
    assert not list(tmp_path.iterdir())
