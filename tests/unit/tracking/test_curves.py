import pytest

from densenet_sweep.drawing.scene import Line, Points
from densenet_sweep.tracking.curves import picture, write_curves


def history(*accuracies: float, validated: bool = True, loss: float = 0.5) -> list[dict[str, float]]:
    rows = []
    for index, accuracy in enumerate(accuracies):
        row = {"epoch": index + 1, "train_loss": loss**index, "train_accuracy": accuracy, "lr": 0.1}
        rows.append(row | ({"valid_loss": loss**index, "valid_accuracy": accuracy - 0.01} if validated else {}))
    return rows


def test_both_curves_of_both_kinds():
    drawn = picture(history(0.5, 0.9, 0.8))
    assert drawn.title == "Validation accuracy 0.7900 after epoch 3"
    assert drawn.note == "The best was 0.8900, after epoch 2."
    assert [mark.name for mark in drawn.legend()] == ["best validation accuracy", "validation", "training"]
    assert [panel.y.label for panel in drawn.panels] == ["accuracy", "loss (nats per image)"]
    lines = [mark for panel in drawn.panels for mark in panel.marks if isinstance(mark, Line)]
    assert [line.y for line in lines] == [[0.5, 0.9, 0.8], pytest.approx([0.49, 0.89, 0.79]), [1, 0.5, 0.25], [1, 0.5, 0.25]]
    assert all(line.x == [1, 2, 3] for line in lines)
    (best,) = [mark for mark in drawn.panels[0].marks if isinstance(mark, Points) and mark.name]
    assert (best.x, best.y) == ([2], [0.89])


def test_a_final_run_has_no_validation():
    drawn = picture(history(0.5, 0.9, validated=False))
    assert (drawn.title, drawn.note) == ("Training accuracy 0.9000 after epoch 2", "")
    assert "validation" not in [mark.name for mark in drawn.legend()]


@pytest.mark.parametrize(("loss", "is_log"), [(0.5, False), (0.1, True)])
def test_a_loss_that_falls_far_is_on_a_log_scale(loss, is_log):
    assert picture(history(0.5, 0.7, 0.9, loss=loss)).panels[1].y.is_log == is_log


def test_many_epochs_are_lines_only():
    drawn = picture(history(*[index / 100 for index in range(50)]))
    assert [type(mark) for mark in drawn.panels[1].marks] == [Line, Line]


def test_it_is_written_for_more_than_one_epoch(tmp_path):
    write_curves(tmp_path, history(0.5))
    assert list(tmp_path.iterdir()) == []
    write_curves(tmp_path, history(0.5, 0.7))
    assert (tmp_path / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
