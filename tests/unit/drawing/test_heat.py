"""Pictures under heat maps."""

import numpy as np

from densenet_sweep.drawing import heat


def test_a_picture_is_enlarged_whole_and_coloured_only_where_it_is_hot():
    levels_CHW = np.arange(12, dtype=np.uint8).reshape(1, 3, 4) * 20
    plain = np.asarray(heat.picture(levels_CHW, 10))
    assert plain.shape == (9, 12, 3)
    assert (plain[::3, ::3] == levels_CHW[0, :, :, None]).all()
    heat_HW = np.zeros((3, 4))
    heat_HW[2, 3] = 1
    shown = np.asarray(heat.overlay(levels_CHW, heat_HW, 10))
    assert (shown[:4, :4] == plain[:4, :4]).all()
    assert np.ptp(shown[-1, -1]) > 50
    assert np.asarray(heat.picture(np.zeros((3, 300, 200), np.uint8), 10)).shape == (300, 200, 3)
