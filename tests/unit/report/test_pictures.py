"""Which pictures a study gets, and what they show; how marks are drawn is tested with `drawing`."""

import logging
import math

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from densenet_sweep.drawing import theme
from densenet_sweep.drawing.scene import Band, Bars, Curves, Line, Parallel, Picture, Points, Surface
from densenet_sweep.report import pictures
from densenet_sweep.report.pictures import cost, expected, parallel, progress, search, subject
from densenet_sweep.report.pictures.subject import Objective, Subject, parameter_axis, thinned
from densenet_sweep.results.from_optuna import read_study

SEARCH = ["importance", "contour", "parallel", "slices"]
ALL = [
    "optimization_history",
    "learning_curves",
    *[f"{name}{of}" for name in SEARCH[:2] for of in ("_early", "")],
    "expected_best_early",
    *[f"{name}{of}" for name in SEARCH[2:] for of in ("_early", "")],
    "pareto_front",
]


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn is looked at before Matplotlib is, which takes a second a picture."""
    monkeypatch.setattr("densenet_sweep.drawing.png.draw", lambda _: b"")


def drawn(study: optuna.Study) -> dict[str, Picture]:
    return {it.picture.name: it.picture for it in pictures.draw(read_study(study))}


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.levelno >= logging.WARNING]


def made(picture: Picture | None) -> Picture:
    assert picture is not None
    return picture


def read(study: optuna.Study) -> Subject:
    return subject.read(read_study(study))


def marks(picture: Picture, kind: type) -> list:
    return [mark for panel in picture.panels for mark in panel.marks if isinstance(mark, kind)]


def of_values(*values: float | None, distribution=None, direction: str = "maximize", **attributes) -> optuna.Study:
    """A study of one parameter whose trials have these values; None is a failed one."""
    study = optuna.create_study(direction=direction)
    study.set_user_attr("config", {"objective": "valid_accuracy" if direction == "maximize" else "valid_loss"})
    for index, value in enumerate(values):
        study.add_trial(
            create_trial(
                state=TrialState.FAIL if value is None else TrialState.COMPLETE,
                value=value,
                params={"x": index / 100},
                distributions={"x": distribution or FloatDistribution(0, 1)},
                user_attrs=attributes,
            )
        )
    return study


def test_a_whole_sweep_has_all_of_them_in_order(swept, caplog):
    assert list(drawn(swept(40))) == ALL
    assert warnings_of(caplog) == []


@pytest.mark.parametrize(
    ("study", "expected"),
    [
        (of_values(), []),
        (of_values(None, None), []),
        (of_values(0.5), []),
        (of_values(0.5, 0.6), ["optimization_history"]),
        (of_values(0.5, 0.6, 0.7), ["optimization_history", "parallel", "slices"]),
        (of_values(*[0.5] * 12), ["optimization_history", "parallel", "slices"]),
        (of_values(0.5, float("inf"), 0.6, direction="minimize"), ["optimization_history"]),
    ],
    ids=["nothing", "failures", "one", "two", "three", "all equal", "infinite"],
)
def test_a_picture_that_would_say_nothing_is_left_out_without_noise(study, expected, caplog):
    assert list(drawn(study)) == expected
    assert warnings_of(caplog) == []


def test_one_epoch_has_no_curves(swept):
    assert "learning_curves" not in drawn(swept(40, epochs=1))


def test_nothing_varied():
    study = optuna.create_study(direction="maximize")
    for index in range(12):
        study.add_trial(create_trial(value=index / 20, params={"x": 1}, distributions={"x": IntDistribution(1, 3)}))
    assert list(drawn(study)) == ["optimization_history"]


def test_a_picture_that_fails_costs_one_warning_and_not_the_others(swept, caplog, monkeypatch):
    def slices(_):
        raise RuntimeError("no ink")

    monkeypatch.setattr(pictures, "_PROGRESS", (progress.history, slices))
    monkeypatch.setattr(pictures, "_SEARCH", ())
    monkeypatch.setattr(pictures, "_WIDE", ())
    assert list(drawn(swept(40))) == ["optimization_history", "expected_best_early", "pareto_front"]
    assert warnings_of(caplog) == ["study made up: no picture of slices (RuntimeError: no ink)"]


def test_the_history_names_the_best_and_tells_the_states_apart(swept):
    study = swept(40)
    picture = made(progress.history(read(study)))
    assert picture.title == f"Best validation accuracy {study.best_value:.4g}, in trial {study.best_trial.number}"
    assert picture.note.startswith("26 complete, 12 pruned, 2 failed.")
    assert [mark.name for mark in picture.legend()] == ["complete", "pruned, beyond the axis", "failed", "best so far"]
    (line,) = marks(picture, Line)
    assert list(line.y) == sorted(line.y)
    assert line.y[-1] == study.best_value
    (panel,) = picture.panels
    assert (panel.x.label, panel.x.is_whole, panel.y.label) == ("trial", True, "validation accuracy")


def test_a_loss_is_the_better_the_lower_and_has_a_unit():
    picture = made(progress.history(read(of_values(0.7, 0.5, 0.6, direction="minimize"))))
    (line,) = marks(picture, Line)
    assert list(line.y) == [0.7, 0.5, 0.5, 0.5]
    assert picture.panels[0].y.label == "validation loss (nats per image)"
    assert "0.5, in trial 1" in picture.title


def test_a_diverged_trial_does_not_squeeze_the_others():
    values = [0.9 + index / 1000 for index in range(20)]
    (panel,) = made(progress.history(read(of_values(*values, 0.1)))).panels
    low, high = panel.y.limits
    assert 0.8 < low < 0.9
    assert 0.919 < high <= 1
    (beyond,) = [mark for mark in panel.marks if isinstance(mark, Points) and mark.name == "beyond the axis"]
    assert (beyond.symbol, list(beyond.x), list(beyond.y)) == ("down", [20], [low])
    assert "valid_accuracy = 0.1" in beyond.about[0]


def test_curves_are_coloured_by_state_and_capped(swept):
    picture = made(progress.learning_curves(read(swept(40))))
    assert picture.title == "How validation accuracy grew in 40 trials"
    assert {curves.name: len(curves.paths) for curves in marks(picture, Curves)} == {"failed": 2, "pruned": 12, "complete": 26}
    assert len({curves.colour for curves in marks(picture, Curves)}) == 3
    many = swept(500)
    picture = made(progress.learning_curves(read(many)))
    assert picture.title == "How validation accuracy grew in 200 of 500 trials"
    assert sum(len(curves.paths) for curves in marks(picture, Curves)) == 200


def test_a_report_that_is_no_number_leaves_a_gap():
    study = optuna.create_study(direction="maximize")
    study.add_trial(create_trial(state=TrialState.FAIL, intermediate_values={1: float("nan"), 2: float("nan")}))
    study.add_trial(create_trial(value=0.5, intermediate_values={1: 0.4, 2: float("nan"), 3: 0.5}))
    (curves,) = marks(made(progress.learning_curves(read(study))), Curves)
    assert curves.paths == [([1.0, 3.0], [0.4, 0.5])]


def test_a_trial_without_a_number_takes_no_place_among_the_curves():
    study = optuna.create_study(direction="minimize")
    study.set_user_attr("config", {"objective": "valid_loss"})
    for reports in ({1: math.nan}, {1: 0.9, 2: math.inf}, {1: 0.8, 2: 0.4}):
        study.add_trial(create_trial(value=max(reports.values()) if len(reports) > 1 else 1.0, intermediate_values=reports))
    [curves] = marks(made(progress.learning_curves(read(study))), Curves)
    assert list(curves.ids) == [1, 2]
    assert [text.splitlines()[0] for text in curves.about] == ["trial 1: complete", "trial 2: complete"]
    assert [list(y) for _, y in curves.paths] == [[0.9], [0.8, 0.4]]


def test_a_rung_is_no_part_of_the_curve_that_follows_it():
    study = optuna.create_study(direction="maximize")
    rungs = {"rungs": [1]}
    study.add_trial(create_trial(value=0.8, intermediate_values={1: 0.6, 2: 0.5, 3: 0.8}, user_attrs=rungs))
    study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values={1: 0.4}, user_attrs=rungs))
    picture = made(progress.learning_curves(read(study)))
    found = {curves.name: curves.paths for curves in marks(picture, Curves)}
    assert found == {"pruned": [([1.0], [0.4])], "complete": [([2.0, 3.0], [0.5, 0.8])]}
    assert picture.note.endswith("last epoch of each; those given up after a rung had a whole schedule in it.")


def test_a_curve_has_the_epochs_whose_report_is_a_rungs():
    study = optuna.create_study(direction="maximize")
    attributes = {"rungs": [1, 3], "at_rungs": {"1": 0.3, "3": 0.7}}
    reports = {1: 0.6, 2: 0.5, 3: 0.65, 4: 0.8}
    study.add_trial(create_trial(value=0.8, intermediate_values=reports, user_attrs=attributes))
    study.add_trial(create_trial(state=TrialState.PRUNED, intermediate_values={1: 0.4}, user_attrs={"rungs": [1, 3]}))
    found = {curves.name: curves.paths for curves in marks(made(progress.learning_curves(read(study))), Curves)}
    assert found == {"pruned": [([1.0], [0.4])], "complete": [([1.0, 2.0, 3.0, 4.0], [0.3, 0.5, 0.7, 0.8])]}


def test_thinning_keeps_the_best(swept):
    study = swept(500)
    kept = thinned(read_study(study).trials, Objective(0, "valid_accuracy", True), 40)
    assert len(kept) == 40
    best = sorted((trial for trial in study.get_trials() if trial.state.name == "COMPLETE"), key=lambda trial: -trial.value)
    assert {trial.number for trial in best[:10]} <= {trial.number for trial in kept}


def test_importance_names_its_method(swept):
    picture = made(search.importance(read(swept(40))))
    assert picture.note == "PED-ANOVA. 26 complete trials; 14 others have no value at the end of training and are left out."
    assert picture.title.startswith("Validation accuracy at the end of training depended most on ")
    (bars,) = marks(picture, Bars)
    assert sum(bars.values) == pytest.approx(1)
    assert list(bars.values) == sorted(bars.values, reverse=True)
    assert next(name for _, name in picture.panels[0].y.ticks).endswith(picture.title.split()[-1])


def test_slices_have_the_scale_and_the_range_of_the_search(swept):
    picture = made(search.slices(read(swept(40))))
    axes = {panel.x.label: panel.x for panel in picture.panels}
    assert len(axes) == 6
    assert [label for label, axis in axes.items() if axis.is_log] == [
        label for label in axes if label in ("optimizer.lr", "optimizer.weight_decay")
    ]
    low, high = axes["optimizer.lr"].limits
    assert 0.005 < low < 0.01 < 1 < high < 2
    assert [text for _, text in axes["architecture.depth"].ticks] == ["16", "22", "28", "34", "40"]
    assert [text for _, text in axes["architecture.growth_rate"].ticks] == ["8", "12", "16", "24"]
    assert [text for _, text in axes["architecture.block_config"].ticks] == ["[6,6,6]", "[4,4,4]"]


def test_a_conditional_parameter_shows_the_trials_that_had_it(swept):
    study = swept(40)
    had_it = {trial.params["optimizer.weight_decay"] for trial in study.trials if "optimizer.weight_decay" in trial.params}
    picture = made(search.slices(read(study)))
    (panel,) = [panel for panel in picture.panels if panel.x.label == "optimizer.weight_decay"]
    assert {x for mark in panel.marks if isinstance(mark, Points) for x in mark.x} <= had_it


@pytest.mark.parametrize("choices", [[True, False], [None, 0.1], ["a", 1], [1e-4, 1e-3, 1e-2]], ids=str)
def test_any_choice_has_an_axis(choices):
    study = optuna.create_study(direction="maximize")
    for index, choice in enumerate(choices * 2):
        study.add_trial(
            create_trial(value=0.1 * index, params={"x": choice}, distributions={"x": CategoricalDistribution(choices)})
        )
    axis, place = parameter_axis("x", read_study(study).trials)
    assert axis.is_log == (choices[0] == 1e-4)
    assert [place(choice) for choice in choices] == [tick for tick, _ in axis.ticks]
    assert "slices" in drawn(study)


def test_the_contour_is_of_growth_rate_and_depth(swept):
    picture = made(search.contour(read(swept(40))))
    assert picture.title == "Validation accuracy at the end of training over growth rate and depth"
    (panel,) = picture.panels
    assert (panel.x.label, panel.y.label) == ("architecture.growth_rate", "architecture.depth")
    (surface,) = marks(picture, Surface)
    assert surface.label == "validation accuracy"


def test_the_contour_takes_the_two_most_important_numbers_elsewhere_and_log_scales():
    study = optuna.create_study(direction="maximize")
    for index in range(30):
        x, y = 10 ** -(index % 6), index * 7 % 30 / 30
        study.add_trial(
            create_trial(
                value=y + 0.01 * (index % 6),
                params={"b.x": x, "a.y": y, "c": "it"},
                distributions={
                    "b.x": FloatDistribution(1e-5, 1, log=True),
                    "a.y": FloatDistribution(0, 1),
                    "c": CategoricalDistribution(["it", "other"]),
                },
            )
        )
    picture = made(search.contour(read(study)))
    (panel,) = picture.panels
    assert {panel.x.label: panel.x.is_log, panel.y.label: panel.y.is_log} == {"a.y": False, "b.x": True}


def test_trials_on_one_line_have_no_contour():
    study = optuna.create_study(direction="maximize")
    for index in range(10):
        params = {"x": index / 10, "y": index / 10}
        study.add_trial(
            create_trial(value=index / 10, params=params, distributions=dict.fromkeys("xy", FloatDistribution(0, 1)))
        )
    assert search.contour(read(study)) is None


def test_the_front_of_one_objective_is_against_parameters_and_seconds(swept):
    study = swept(40)
    picture = made(cost.front(read(study)))
    assert [panel.x.label for panel in picture.panels] == ["parameters", "training time (s)"]
    front = next(mark for mark in picture.panels[0].marks if isinstance(mark, Points) and mark.name == "on the Pareto front")
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    for size, accuracy in zip(front.x, front.y, strict=True):
        assert not any(t.value > accuracy and t.user_attrs["num_parameters"] <= size for t in complete)
    assert max(front.y) == study.best_value


def test_what_a_training_costs_has_its_rungs_whoever_trained_them():
    study = optuna.create_study(direction="maximize")
    study.set_user_attr("config", {"objective": "valid_accuracy"})
    for value, attributes in (
        (0.6, {"seconds": 20.0}),
        (0.7, {"seconds": 35.0, "rung_seconds": 5.0}),  # began anew after its rung
        (0.8, {"seconds": 40.0, "promoted_from": {"trial": 0, "step": 1}}),  # whose rung another trial trained
    ):
        study.add_trial(create_trial(value=value, user_attrs=attributes))
    panels = made(cost.front(read(study))).panels
    assert sorted(place for mark in panels[-1].marks if isinstance(mark, Points) for place in mark.x) == [20, 35, 60]


def test_the_front_of_several_objectives_is_the_studys(caplog):
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_user_attr("config", {"objective": ["valid_accuracy", "num_parameters"]})
    for accuracy, size in [(0.9, 9000), (0.8, 5000), (0.7, 7000), (0.6, 100)]:
        study.add_trial(
            create_trial(values=[accuracy, size], params={"x": accuracy}, distributions={"x": FloatDistribution(0, 1)})
        )
    study.add_trial(create_trial(state=TrialState.FAIL))
    found = drawn(study)
    assert list(found) == ["optimization_history", "parallel", "slices", "pareto_front"]
    assert len(found["optimization_history"].panels) == 2
    picture = found["pareto_front"]
    assert picture.title == "On the front of validation accuracy and parameters: 3 of 4 complete trials"
    assert (picture.panels[0].x.label, picture.panels[0].x.is_log) == ("parameters", True)
    (front,) = [mark for mark in marks(picture, Points) if mark.name == "on the Pareto front"]
    assert sorted(front.x) == [100, 5000, 9000]
    assert warnings_of(caplog) == []


def test_architectures_that_are_searched_have_a_front_each():
    found = drawn(
        of_architectures(("bc", 0.9, 9000), ("bc", 0.8, 9500), ("net", 0.85, 100), ("bc", 0.7, 200), ("net", 0.6, 90))
    )
    assert list(found)[-2:] == ["pareto_front", "front_by_architecture"]
    picture = found["front_by_architecture"]
    assert picture.note.startswith("5 complete trials: bc 3, net 2. On its line")
    assert [panel.x.label for panel in picture.panels] == ["parameters", "training time (s)"]
    fronts = {
        it.name: list(zip(it.x, it.y, strict=True)) for it in picture.panels[0].marks if isinstance(it, Points) if it.name
    }
    assert fronts == {"bc": [(200, 0.7), (9000, 0.9)], "net": [(90, 0.6), (100, 0.85)]}
    assert [list(line.y) for line in picture.panels[0].marks if isinstance(line, Line)] == [[0.7, 0.9], [0.6, 0.85]]
    bars = [mark for mark in picture.panels[0].marks if isinstance(mark, Curves)]
    assert [(len(mark.paths), mark.colour) for mark in bars] == [(2, theme.BLUE), (2, theme.ORANGE)]


def test_one_architecture_has_no_front_of_its_own():
    assert "front_by_architecture" not in drawn(of_architectures(("bc", 0.9, 9000), ("bc", 0.8, 500), ("bc", 0.7, 200)))


def of_architectures(*trials: tuple[str, float, float]) -> optuna.Study:
    """A study of two objectives whose trials have this architecture, accuracy and number of parameters."""
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_user_attr("config", {"objective": ["valid_accuracy", "num_parameters"]})
    for name, accuracy, size in trials:
        study.add_trial(
            create_trial(
                values=[accuracy, size],
                params={"architecture": name},
                distributions={"architecture": CategoricalDistribution(["bc", "net"])},
                user_attrs={"num_parameters": size, "seconds": size / 100, "num_valid": 6000},
            )
        )
    return study


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(1, 0.5), (2, 0.9), (3, 0.8)], {0, 1}),
        ([(1, 0.5), (1, 0.5), (1, 0.4)], {0, 1}),
        ([(2, 0.5), (1, 0.5)], {1}),
    ],
)
def test_what_no_other_beats(pairs, expected):
    assert set(cost.undominated(pairs, (False, True))) == expected


def test_a_trial_too_big_to_be_trained_is_called_so():
    study = of_values(0.5, 0.6)
    study.add_trial(create_trial(state=TrialState.PRUNED, user_attrs={"reason": "infeasible: num_parameters=9"}))
    assert read(study).counts() == "2 complete, 1 too big"


def test_early_values_are_drawn_in_the_colour_of_what_became_of_the_trial():
    study = optuna.create_study(direction="maximize")
    study.set_user_attr("config", {"objective": "valid_accuracy"})
    x = FloatDistribution(0, 1)

    def add(state: str, value: float, reports: dict[int, float], **attributes) -> None:
        known = {"rungs": [1], "num_valid": 100, "num_steps": 9, **attributes}
        params = {"x": len(study.trials) / 10}
        study.add_trial(
            create_trial(
                state=TrialState[state],
                value=value,
                params=params,
                distributions={"x": x},
                intermediate_values=reports,
                user_attrs=known,
            )
        )

    add("PRUNED", 0.5, {1: 0.5})
    add("PRUNED", 0.7, {1: 0.7})
    add("COMPLETE", 0.9, {1: 0.7, 9: 0.9}, promoted_from={"trial": 1, "step": 1})
    add("PRUNED", 0.3, {1: 0.3})
    early = subject.read_early(read_study(study))
    assert early is not None
    picture = made(search.slices(early))
    assert picture.title == "Validation accuracy after a rung of 1 epoch against the searched parameter"
    assert picture.note.startswith("3 trials. 1 other trial without a value of its own there is left out.")
    assert {mark.name: list(mark.ids) for mark in marks(picture, Points)} == {"pruned": [0, 3], "complete": [1]}
    (bars,) = marks(picture, Curves)
    assert sorted(tuple(ys) for _, ys in bars.paths)[1] == pytest.approx((0.45, 0.55))


def test_many_trials_beyond_the_axis_are_numbers():
    values = [0.9 + index / 1000 for index in range(80)] + [0.1] * 20
    picture = made(progress.history(read(of_values(*values))))
    (beyond,) = [mark for mark in marks(picture, Points) if mark.name == "beyond the axis"]
    assert sum(map(int, beyond.texts)) == 20
    assert len(beyond.x) < 5
    assert beyond.about[0].startswith(f"{beyond.texts[0]} trials beyond the axis: 8")


def test_an_accuracy_in_percent_has_an_axis():
    limits = Objective(0, "my_accuracy", is_maximized=True).axis([91.0, 93.0]).limits
    assert limits is not None
    assert limits[0] < 91 < 93 < limits[1]
    assert Objective(0, "my_accuracy", is_maximized=True).axis([0.91, 1.0]).limits == (pytest.approx(0.9055), 1.0)


def test_of_many_names_on_an_axis_only_some_are_written():
    study = optuna.create_study()
    names = [f"{index:02d}{'x' * 100}" for index in range(40)]
    for index in range(40):
        study.add_trial(
            create_trial(value=0.1, params={"x": names[index]}, distributions={"x": CategoricalDistribution(names)})
        )
    found = read(study)
    axis, place = parameter_axis("x", found.trials)
    assert axis.ticks is not None
    assert [position for position, _ in axis.ticks] == list(range(0, 40, 2))
    assert place(names[39]) == 39
    assert max(map(len, found.about(found.trials[0]).splitlines())) < 70


def test_noise_does_not_fill_the_axis():
    picture = made(progress.history(read(of_values(0.900, 0.901, 0.902, num_valid=100))))
    low, high = picture.panels[0].y.limits or (0, 0)
    assert high - low >= 6 * 0.029


def test_parallel_coordinates_have_the_best_on_top_and_gaps_where_a_parameter_is_missing(swept):
    study = swept(40)
    assert "Drag" not in made(parallel.parallel(read(study))).note  # which a file has, too
    assert made(parallel.parallel(read(study))).hint == "Drag along an axis to choose a range."
    (lines,) = marks(made(parallel.parallel(read(study))), Parallel)
    assert lines.ids[-1] == study.best_trial.number
    assert (lines.shades[0], lines.shades[-1]) == (0.0, 1.0)
    index = [axis.label for axis in lines.axes].index("optimizer.weight_decay")
    params = {trial.number: trial.params for trial in study.trials}
    for number, row in zip(lines.ids, lines.rows, strict=True):
        assert (row[index] is None) == ("optimizer.weight_decay" not in params[number])
    assert lines.axes[-1].label == "validation accuracy"


def test_the_best_to_expect_of_fewer_trials_has_its_band():
    picture = made(expected.expected(read(of_values(0.1, 0.4, 0.3, 0.2, None))))
    [band, line] = picture.panels[0].marks
    assert isinstance(band, Band)
    assert isinstance(line, Line)
    assert line.x == band.x == [1, 2, 3, 4]
    assert line.y == pytest.approx([0.25, 1 / 3, 0.375, 0.4])
    assert list(band.high) == [0.4, 0.4, 0.4, 0.4]
    assert list(band.low) == [0.1, 0.1, 0.2, 0.2]
    assert picture.note.startswith("4 complete trials; 1 other has no value at the end of training and is left out.")
