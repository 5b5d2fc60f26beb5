"""What the page of a run says."""

from densenet_sweep.tracking import run_note
from densenet_sweep.tracking.run_note import Description

SAID = Description(
    "A net.", ["data=digits", "optimizer.betas=[0.8, 0.9]"], "Elsewhere:", (), ["valid_accuracy", "num_parameters"]
)


def test_the_commands_can_be_pasted():
    text = SAID.text("abc")
    assert "```\ndensenet-sweep rerun abc\n```" in text
    assert "```\ndensenet-sweep data=digits 'optimizer.betas=[0.8, 0.9]'\n```" in text


def test_a_long_command_is_broken_where_a_shell_continues():
    lines = run_note.command(["densenet-sweep", *(f"key{index}=value" for index in range(30))]).splitlines()[1:-1]
    assert len(lines) > 1
    assert all(line.endswith(" \\") and len(line) <= 102 for line in lines[:-1])
    assert " ".join(line.removesuffix(" \\").strip() for line in lines).split()[-1] == "key29=value"


def test_the_end_names_state_reason_and_what_is_known_of_the_objectives():
    ended = SAID.ended("abc", "failed", "DivergedError: `lr` is\ntoo large", {"valid_accuracy": 0.12345678, "lr": 1.0})
    assert ended.splitlines()[0] == "**Failed** `DivergedError: 'lr' is too large`: valid_accuracy 0.123457"
    assert SAID.ended("abc", "complete", None, {}).splitlines()[0] == "**Complete**"


def test_no_text_is_longer_than_mlflow_takes():
    assert len(Description("x" * 9000, (), "", (), ()).text("abc")) == 8000


def test_a_sweep_says_what_it_searches_and_what_came_out():
    states = {0: ("complete", None), 1: ("pruned", "p"), 2: ("pruned", "p")}
    ending = run_note.ending("3 of 3 trials are finished", states, "The best is 0.", ["best.yaml"])
    text = run_note.of_sweep(
        study_name="s",
        objectives={"valid_accuracy": "maximize", "num_parameters": "minimize"},
        n_trials=3,
        searched={"optimizer.lr": "interval(0,1)"},
        typed=f"densenet-sweep storage=http://me:secret@host {' '.join(f'key{index}=value' for index in range(30))}",
        ending=ending,
    )
    assert text.splitlines()[0] == "**1 complete, 2 pruned**; ended: `3 of 3 trials are finished`"
    assert "to maximize `valid_accuracy` and minimize `num_parameters`" in text
    assert "| `optimizer.lr` | `interval(0,1)` |" in text
    assert "http://me:***@host" in text
    assert max(len(line) for line in text.splitlines()) <= 102  # a longer one makes the page wider than the window
