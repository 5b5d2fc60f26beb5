"""What TAB offers, as shells ask for it: bash, zsh through its bashcompinit, and fish."""

import pytest


@pytest.fixture(params=["bash", "zsh", "fish"])
def offered(request, command, monkeypatch, tmp_path):
    folder = tmp_path / "outputs" / "sweeps" / "wide"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text("study_name: wide\nstorage: null\n")

    def offer(line: str) -> list[str]:
        monkeypatch.setenv("COMP_LINE", f"densenet-sweep {line}")
        typed = command("-sc", f"query={request.param}")
        assert typed.err == ""
        return typed.out.split()

    return offer


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("comp", ["compare", "compile="]),
        ("compare ", ["wide"]),
        ("compare wi", ["wide"]),
        ("compare --", ["--format", "--help", "--html", "--live", "--metric", "--port", "--top"]),
        ("compare wide --t", ["--top"]),
        ("export model file.onnx --t", ["--to"]),
        ("final --", []),
        ("final optimizer=_", []),
        ("rerun schedule=co", ["schedule=constant", "schedule=cosine"]),
        ("confirm wide optimizer=s", ["optimizer=sgd"]),
        ("optimizer=_", []),
        ("optimizer=", ["optimizer=adamw", "optimizer=muon", "optimizer=nesterov", "optimizer=sgd"]),
        ("optimizer=nope optimizer.l", []),
        ("serve ", []),
    ],
)
def test_what_a_line_may_continue_with(offered, line, words):
    assert offered(line) == words


def test_an_empty_line_continues_with_subcommands_and_groups(offered):
    assert {"compare", "ui", "optimizer=", "sweep="} <= set(offered(""))


@pytest.mark.parametrize(
    ("shell", "rule"),
    [
        ("bash", "complete -o nospace -o default -F hydra_bash_completion "),
        ("zsh", "complete -o nospace -o default -F hydra_bash_completion "),
        ("fish", "complete -c densenet-sweep -x -a '(hydra_fish_completion)'"),
    ],
)
def test_a_shell_is_given_its_rule(command, shell, rule):
    typed = command("-sc", f"install={shell}")
    assert (typed.exit_code, typed.err) == (0, "")
    assert rule in typed.out
