import sys

import pytest

from densenet_sweep.tracking import store


def test_a_database_without_its_driver_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        store.connect("postgresql+psycopg://me@localhost/runs")
    assert store.cause(caught.value) == "needs psycopg; pip install 'hydra-async-sweeper[postgres]'"
