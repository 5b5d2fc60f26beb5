"""The section `data`: places of files, and what decides which images a source gives."""

import pytest

from densenet_sweep.config import composition
from densenet_sweep.config.schema import Config, ConfigError


def typed(*overrides: str) -> Config:
    return composition.typed(composition.compose(list(overrides)))


def test_home_and_environment_are_replaced_where_data_are_read(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SCANS", "/scans")
    assert typed("data=image_folder", "data.root='~/a'").data.source_arguments()["root"] == "/home/me/a"
    assert typed("data=image_folder", "data.root=$SCANS/a").data.source_arguments()["root"] == "/scans/a"
    assert typed("data=digits", "data.root='~'").data.source_arguments()["root"] == "/home/me"
    table = typed("data=image_table", "data.table=$SCANS/t.csv").data.source_arguments()
    assert (table["table"], table["root"]) == ("/scans/t.csv", "")


def test_new_keys_count_only_where_they_change_the_images():
    before = {"image_size": 32, "num_channels": 3, "split_seed": 0, "test_fraction": 0.2}
    assert typed("data=image_folder").data.reads_as() == before
    assert typed("data=image_folder", "data.on_device=false", "data.root=x").data.reads_as() == before
    assert typed("data=image_folder", "data.resize=pad").data.reads_as() == {**before, "resize": "pad"}
    assert typed("data=cifar10").data.reads_as() == {}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.image_size=[8]"], r"data\.image_size=\[8\]: a whole number of pixels or \[height,width\] is accepted"),
        (["data.image_size=8.5"], r"data\.image_size=8\.5: a whole number of pixels or"),
        (["data.image_size=true"], r"data\.image_size=True: a whole number of pixels or"),
        (["data.image_size=[8,0]"], r"data\.image_size=\[8, 0\]: a whole number of at least 1"),
        (["data.resize=fit"], r"data\.resize=fit: one of crop, pad, stretch"),
        (["data.value_range=[2,1]"], r"data\.value_range=\[2\.0, 1\.0\]: two numbers, the first below"),
        (["data.background=nothing"], r"data\.background=nothing: a colour such as white"),
        (["data.on_bad_picture=ignore"], r"data\.on_bad_picture=ignore: one of fail, skip is accepted"),
        (["data.max_pixels=0"], r"data\.max_pixels=0: a whole number of at least 1"),
        (["data.on_device=maybe"], r"data\.on_device=maybe: one of auto, true, false is accepted"),
        (["data=image_table"], r"data\.table: has no value, and needs one"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(overrides, message):
    with pytest.raises(ConfigError, match=message):
        typed("data=image_folder", *overrides) if overrides[0] != "data=image_table" else typed(*overrides)


def test_height_and_width_are_sizes_of_networks():
    assert typed("data=image_folder", "data.image_size=[64,96]", "architecture=densenet121").data.image_size == [64, 96]
    with pytest.raises(ConfigError, match=r"data\.image_size=\[64, 20\]: this architecture .* at least 29 is accepted"):
        typed("data=image_folder", "data.image_size=[64,20]", "architecture=d2l")
