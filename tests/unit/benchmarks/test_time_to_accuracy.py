import importlib
import json

import pytest
import time_of_ours
import time_to_accuracy
import torch

from densenet_sweep.config import composition


def run(side, seed, epochs, seconds, parts=None):
    return {"side": side, "seed": seed, "job": {}, "epochs": epochs, "seconds": seconds, "parts": parts or {}}


PARTS = dict.fromkeys(time_of_ours.PARTS, 1.0) | {"training": 4.0}
RUNS = [
    run("ours", 0, [(20, 0, 0.86), (40, 1, 0.84), (130, 2, 0.88)], 140, PARTS),
    run("ours", 1, [(30, 0, 0.86), (60, 1, 0.87)], 80),
    run("peer", 0, [(100, 0, 0.7), (200, 0, 0.85)], 420),
    run("peer", 1, [(100, 0, 0.7), (60, 1, 0.9)], None) | {"test": [0.81, 0.83]},  # stopped at the limit
]


def test_a_table_gives_medians_spans_and_ratios_by_seed(tmp_path):
    table = tmp_path / "runs.jsonl"
    assert time_to_accuracy.read(table) == []
    table.write_text("".join(json.dumps(it) + "\n" for it in RUNS))
    _, peer, ours, *bar = time_to_accuracy.summary(time_to_accuracy.read(table), (0.85, 0.88))
    # Seeds 0 and 1: 200 / 20 and 60 / 30; at 0.88 one of two runs got there, which is no median.
    assert " ".join(peer.split()) == "peer 130 (60-200) 6.00x not reached stopped 0.8000 0.8750 0.8750 0.8750 0.8200 2"
    assert " ".join(ours.split()) == "ours 25 (20-30) 1.00x not reached 110 (80-140) 1.00x 0.8650 0.8750 0.8750 0.8750 - 2"
    assert [line.split()[-1] for line in bar] == ["█" * n for n in (10, 40, 10, 10, 10, 10, 10)]


def test_a_line_tells_the_epoch_and_the_configuration(capsys, monkeypatch):
    monkeypatch.syspath_prepend(time_to_accuracy.SCRIPTS)
    importlib.import_module("printed").print_epoch(3, 1, 4, 0.81234, growth_rate=8, depth=10, lr=0.0213)
    found = time_to_accuracy._LINE.search(capsys.readouterr().out)
    assert (found[1], found[2]) == ("3", "0.8123")
    assert found.groupdict() == {"growth_rate": "8", "depth": "10", "lr": "0.0213"}
    ours = "15:56:02 trial 1 epoch 2/8  loss 0.5  valid loss 0.3 accuracy 0.9253  lr 0.1"
    assert time_to_accuracy._LINE.search(ours)[2] == "0.9253"


def test_what_a_side_found_is_trained_on_both_splits_and_tested(tmp_path, monkeypatch):
    class Pictures(list):
        data, targets = torch.randint(0, 256, (40, 28, 28)), torch.arange(40) % 10

    monkeypatch.syspath_prepend(time_to_accuracy.SCRIPTS)
    plain_loop = importlib.import_module("plain_loop")
    monkeypatch.setattr(plain_loop, "FashionMNIST", lambda *_, **__: Pictures())
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # which would outlast this test
    monkeypatch.setenv("TIME_TO_ACCURACY", str(tmp_path))
    torch.save([torch.arange(30), torch.arange(30, 36)], tmp_path / "split.pt")
    torch.save([torch.randint(0, 256, (7, 28, 28)), torch.arange(7)], tmp_path / "test.pt")
    sizes = [len(loader.dataset) for final in (False, True) for loader in plain_loop.loaders(careful=True, final=final)]
    assert sizes == [30, 6, 36, 7]
    (accuracy,) = plain_loop.train(8, 10, 0.1, epochs=2, seed=0, careful=True, final=True)
    assert round(accuracy * 7) / 7 == accuracy


@pytest.mark.parametrize("side", time_to_accuracy.ENVIRONMENTS)
def test_each_side_runs_the_same_trials_and_seed_for_its_epochs(side):
    words = time_to_accuracy.command(side, 7, {"trials": 3, "epochs": 5, "images": 54000})
    epochs = str(time_to_accuracy.EPOCHS) if side == "small" else "5"
    assert {"3", epochs, "7"} <= {word.rpartition("=")[2] for word in words}


def test_the_small_side_trains_as_our_sweep_does():
    ours = composition.compose(time_to_accuracy.command("ours", 7, {"trials": 3, "epochs": 5, "images": 100})[2:])
    assert (ours.epochs, ours.data.image_size) == (time_to_accuracy.EPOCHS, time_to_accuracy.IMAGE_SIZE)
