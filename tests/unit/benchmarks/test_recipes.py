import pytest
import recipes

from densenet_sweep.config import composition

TABLE = {
    ("baseline", 0): [(0.5, 1.0), (0.8, 1.0)],
    ("baseline", 1): [(0.5, 1.0), (0.6, 1.0)],
    ("flip", 0): [(0.7, 2.0), (0.9, 2.0)],
    ("flip", 1): [(0.6, 2.0), (0.8, 2.0)],
}


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_is_what_the_command_takes(name):
    config = composition.typed(composition.compose([*recipes.COMMON, *recipes.RECIPES[name]]))
    assert config.data.num_train == {"whole": None, "deep": 12000, "ten epochs": 12000}.get(name.partition(",")[0], 6000)


def test_recipes_are_compared_seed_by_seed():
    _, baseline, flip = recipes.compared(TABLE, ["baseline", "flip"], 0.7)
    assert baseline.split() == ["baseline", "0.7000", "0.1414", "+0.0000", "0.0000", "1", "of", "2", "do", "2.0"]
    # 0.1 and 0.2 better than the baseline with the same seed; reached in epochs 1 and 2.
    assert flip.split() == ["flip", "0.8500", "0.0707", "+0.1500", "0.0500", "1.50", "4.0"]


def test_a_table_is_read_as_it_was_written(tmp_path):
    assert recipes.read(tmp_path / "table.csv") == {}
    for run, epochs in TABLE.items():
        recipes.append(tmp_path / "table.csv", run, epochs)
    assert recipes.read(tmp_path / "table.csv") == TABLE
