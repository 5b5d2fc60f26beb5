import cheap_rungs


def test_a_rung_that_orders_the_ends_has_a_correlation_of_one_and_its_share_of_the_time():
    points = [point for kind, *point in cheap_rungs.trainings() if kind == cheap_rungs.WHOLE]
    results = {}
    for place, point in enumerate(points):
        for kind in cheap_rungs.KINDS:
            end = place / len(points)
            results[kind, *point] = (1 - end, 1.0) if kind == "an epoch" else (end / 2, 2.0)
    lines = {line[:38].strip(): line[38:].split() for line in cheap_rungs.compared(results)[2:]}
    assert lines["an epoch"][0] == "-1.00"
    assert lines["an epoch"][-1] == "0.500"
    assert lines["two epochs at half the sides"][0] == "1.00"
    assert "+2.00 (+2.00 to +2.00)" in " ".join(lines["two epochs at half the sides"])
    assert lines["two epochs at half the sides"][-1] == "1.000"
    assert float(lines["an epoch"][-2]) == 0


def test_only_configurations_that_were_trained_in_all_ways_count(tmp_path):
    first = cheap_rungs.trainings()[0]
    cheap_rungs.append(tmp_path / "table.csv", first, (0.5, 1.0))
    results = cheap_rungs.read(tmp_path / "table.csv")
    assert results == {first: (0.5, 1.0)}
    assert cheap_rungs.compared(results) == ["0 configurations are too few to compare"]
