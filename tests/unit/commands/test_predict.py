"""Where `predict --explain` writes."""

from pathlib import Path

from densenet_sweep.commands.predict import explanation_files


def test_pictures_of_one_name_have_heat_maps_of_their_own():
    paths = ["up.png", "../up.png", "/up.png", "../../UP.png", "a/up.png", "a/../b/up.png", "2/up.png"]
    files = list(explanation_files(Path("heat"), paths).values())
    assert files[:3] == [Path("heat/up.png.png"), Path("heat/2/up.png.png"), Path("heat/3/up.png.png")]
    assert files[3:6] == [Path("heat/4/UP.png.png"), Path("heat/a/up.png.png"), Path("heat/a/b/up.png.png")]
    assert len({str(file).lower() for file in files}) == len(paths)
    assert all(file.is_relative_to("heat") and ".." not in file.parts for file in files)


def test_no_heat_map_lies_where_another_needs_a_folder():
    files = list(explanation_files(Path("heat"), ["x.png", "../x.png.png/y.png", "z.png.png/y.png", "../z.png"]).values())
    assert len(set(files)) == 4
    assert not any(file in other.parents for file in files for other in files)
