import math

import pytest


@pytest.mark.parametrize(("minutes", "expected"), [(math.inf, [0, 1, 2]), (0, [0])])
def test_no_round_begins_after_the_time_but_one_always_does(minutes, expected, monkeypatch, project):
    monkeypatch.syspath_prepend(str(project / "benchmarks"))
    from rounds import rounds

    assert list(rounds(3, minutes)) == expected
