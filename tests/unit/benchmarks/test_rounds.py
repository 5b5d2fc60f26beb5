import math

import pytest
import rounds


@pytest.mark.parametrize(("minutes", "expected"), [(math.inf, [0, 1, 2]), (25, [0, 1]), (15, [0]), (0, [0])])
def test_no_round_begins_that_would_be_late_but_one_always_does(minutes, expected, monkeypatch):
    now = 0.0
    monkeypatch.setattr(rounds.time, "monotonic", lambda: now)
    begun = []
    for index in rounds.rounds(3, minutes):
        begun.append(index)
        now += 10 * 60
    assert begun == expected
