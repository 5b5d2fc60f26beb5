import sys

import pytest
from hydra.errors import MissingConfigException
from hydra_async_sweeper import extras, readable
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study import storage


@pytest.mark.parametrize(
    ("url", "lacking", "message"),
    [
        ("grpc://localhost:1", ["grpc"], "needs grpc; pip install 'hydra-async-sweeper[grpc]'"),
        ("postgresql+psycopg://localhost/x", ["psycopg"], "needs psycopg; pip install 'hydra-async-sweeper[postgres]'"),
        ("postgresql+psycopg2://localhost/x", ["psycopg2"], "needs psycopg2, or postgresql+psycopg:// and pip install 'hydra-"),
    ],
)
def test_a_storage_names_the_extra_that_it_needs(tmp_path, monkeypatch, url, lacking, message):
    for name in lacking:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SweepError) as caught:
        storage.open_storage(url, tmp_path)
    assert str(caught.value).startswith(f"hydra.sweeper.storage={url}: {message}")


@pytest.mark.parametrize("option", ["joblib", "submitit_slurm", "submitit_local", "ray"])
def test_a_missing_launcher_names_the_extra_that_brings_it(option):
    error = MissingConfigException("no", f"hydra/launcher/{option}", ["basic", "local"])
    extra = "slurm" if "submitit" in option else option
    line = f"hydra/launcher={option}: is not installed; pip install 'hydra-async-sweeper[{extra}]'"
    assert readable.one_line(error) == line
    assert readable.one_line(error, distribution="product") == line.replace("hydra-async-sweeper", "product")


def test_a_misspelt_launcher_is_no_extra():
    error = MissingConfigException("no", "hydra/launcher/locl", ["basic", "local"])
    assert readable.one_line(error).startswith("hydra/launcher=locl: no such option; did you mean local?")


def test_another_package_is_named():
    assert extras.package_needs("MySQLdb.cursors") == "needs MySQLdb, which is not installed"
