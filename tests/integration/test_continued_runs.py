"""Runs that were interrupted, damaged or finished, and are started again in their folder."""

import pytest
import torch
from small_runs import NOTHING, TINY, history, numbers

from densenet_sweep.run import reporting
from densenet_sweep.training import checkpoint


@pytest.mark.parametrize(
    "recipe",
    [
        [],
        [
            "optimizer=muon",
            "data.augment.horizontal_flip=alternating",
            "data.augment.trivial_augment=1",
            "data.augment.mixup=0.2",
        ],
        ["loss=focal", "loss.class_weights=balanced", "data.sampling=balanced", "objective=macro_f1", "ema_decay=0.95"],
    ],
)
def test_an_interrupted_run_gives_the_numbers_of_an_uninterrupted_one(recipe, command, tmp_path, monkeypatch):
    common = [*TINY, *NOTHING, "epochs=4", "architecture.drop_rate=0.2", "data.augment.crop_padding=1", *recipe]
    common += ["data.num_train=200", "data.valid_fraction=0.05"]  # two threads on a busy machine take their time
    command(*common, "num_threads=2", f"hydra.run.dir={tmp_path / 'whole'}")

    from densenet_sweep.run import folder as run_folder

    monkeypatch.setattr(run_folder, "_REST", 0)
    save, saved = checkpoint.save, []

    def interrupted(path, state, **options):
        save(path, state, **options)
        if path.name == "last.pt":
            saved.append(path)
            if len(saved) == 3:  # before the first epoch, and after two
                raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", interrupted)
    typed = command(*common, "num_threads=2", f"hydra.run.dir={tmp_path / 'parts'}")
    assert typed.exit_code == 130
    assert "interrupted; continue with:" in typed.err
    assert f"hydra.run.dir={tmp_path / 'parts'}" in typed.err
    assert len(history(tmp_path / "parts")) == 2
    torch.manual_seed(99)
    typed = command(*common, f"hydra.run.dir={tmp_path / 'parts'}")
    assert "continuing after epoch 2 of 4" in typed.out
    assert numbers(tmp_path / "parts") == numbers(tmp_path / "whole")
    assert checkpoint.load(tmp_path / "parts" / "last.pt")["num_threads"] == 2
    typed = command(*common, "num_threads=1", f"hydra.run.dir={tmp_path / 'parts'}")
    assert "num_threads=1, but this run began with 2: its numbers will be others" in typed.out


@pytest.mark.parametrize(("damaged", "origin"), [(["last.pt"], "previous.pt"), (["last.pt", "previous.pt"], "the start")])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_taken(damaged, origin, command, tmp_path, monkeypatch):
    from densenet_sweep.run import folder as run_folder

    def interrupted(epoch, *rest):
        if epoch.index == 3:
            raise KeyboardInterrupt
        return line_of(epoch, *rest)

    common, run, line_of = [*TINY, *NOTHING, "epochs=4", "data.num_train=200"], tmp_path / "run", reporting.line_of
    command(*common, f"hydra.run.dir={tmp_path / 'whole'}")
    monkeypatch.setattr(run_folder, "_REST", 0)
    with monkeypatch.context() as first:
        first.setattr(reporting, "line_of", interrupted)
        assert command(*common, f"hydra.run.dir={run}").exit_code == 130
    for name in damaged:
        content = bytearray((run / name).read_bytes())
        content[len(content) // 2] ^= 1
        (run / name).write_bytes(content)
        (run / f"{name}.damaged").touch()  # an earlier one is not overwritten
    typed = command(*common, f"hydra.run.dir={run}")
    assert typed.exit_code == 0, typed.err
    [line] = [line for line in typed.out.splitlines() if "its checksum is wrong" in line]
    assert line.endswith(f"training continues from {origin}")
    assert ("continuing after epoch 2 of 4" in typed.out) == (origin == "previous.pt")
    assert numbers(run) == numbers(tmp_path / "whole")
    left = [path.name for path in run.iterdir() if ".pt" in path.name]
    assert sorted(left) == sorted(["last.pt", *(f"{name}.damaged{end}" for name in damaged for end in ("", "-2"))])


def test_another_config_does_not_continue_a_run(command, tmp_path):
    run = f"hydra.run.dir={tmp_path / 'run'}"
    command(*TINY, *NOTHING, "epochs=1", run)
    before = (tmp_path / "run" / "last.pt").read_bytes()
    typed = command(*TINY, *NOTHING, "epochs=1", "optimizer.lr=0.2", run)
    assert typed.exit_code == 1
    assert "optimizer.lr=0.2, but" in typed.err
    assert "was trained with optimizer.lr=0.1" in typed.err
    assert (tmp_path / "run" / "last.pt").read_bytes() == before


def test_a_finished_run_is_not_trained_again(command, tmp_path):
    run = f"hydra.run.dir={tmp_path / 'run'}"
    command(*TINY, *NOTHING, "epochs=1", run)
    typed = command(*TINY, *NOTHING, "epochs=1", run)
    assert typed.exit_code == 0
    assert "epoch 1/1" not in typed.out
