from dataclasses import replace

from densenet_sweep.drawing.scene import Line
from densenet_sweep.report.pictures import overlaid
from densenet_sweep.results.study import Study, Trial

ONE = Study(
    "one",
    ("valid_accuracy",),
    ("maximize",),
    (
        Trial(0, "pruned", (0.4,), reports={1: 0.4}, rungs=(1,), epochs=3, seconds=1.0),
        Trial(1, "complete", (0.8,), reports={1: 0.5, 3: 0.8}, rungs=(1,), epochs=3, seconds=4.0),
        Trial(
            2, "complete", (0.9,), reports={1: 0.4, 3: 0.9}, rungs=(1,), seconds=4.0, promoted_from=0, passed_step=1,
            passed_seconds=1.0,
        ),
        Trial(3, "complete", (0.7,), reports={1: 0.4, 3: 0.7}, rungs=(1,), seconds=5.0),
    ),
)  # fmt: skip


def test_the_best_so_far_by_trials_epochs_and_seconds():
    picture = overlaid.best_so_far([ONE, replace(ONE, name="two")])
    assert picture is not None
    lines = [panel.marks[0] for panel in picture.panels]
    assert [panel.x.label for panel in picture.panels] == ["trials", "epochs trained", "seconds of training"]
    assert all(isinstance(line, Line) and line.y == [0.8, 0.9, 0.9] for line in lines)
    assert [line.x for line in lines if isinstance(line, Line)] == [[2, 3, 4], [5, 8, 12], [5, 8, 13]]
    assert [mark.name for mark in picture.legend()] == ["two", "one"]


def test_other_objectives_do_not_compare_and_are_counted():
    loss = replace(ONE, objectives=("valid_loss",), directions=("minimize",))
    assert overlaid.best_so_far([ONE, loss]) is None
    diverged = replace(ONE, trials=tuple(replace(trial, values=(float("inf"),)) for trial in ONE.trials))
    assert overlaid.best_so_far([ONE, diverged]) is None
    picture = overlaid.best_so_far([ONE, ONE, loss])
    assert picture is not None
    assert picture.note.endswith("left out: 1 other.")
