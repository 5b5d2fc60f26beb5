"""What TAB offers, as bash asks for it."""

import pytest


@pytest.fixture
def offered(command, monkeypatch, tmp_path):
    folder = tmp_path / "outputs" / "sweeps" / "wide"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text("study_name: wide\nstorage: null\n")

    def offer(line: str) -> list[str]:
        monkeypatch.setenv("COMP_LINE", f"densenet-sweep {line}")
        typed = command("-sc", "query=bash")
        assert typed.err == ""
        return typed.out.split()

    return offer


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("comp", ["compare", "compile="]),
        ("compare ", ["wide"]),
        ("compare wi", ["wide"]),
        ("compare --", []),
        ("rerun schedule=co", ["schedule=constant", "schedule=cosine"]),
        ("confirm wide optimizer=s", ["optimizer=sgd"]),
        ("optimizer=", ["optimizer=adamw", "optimizer=muon", "optimizer=nesterov", "optimizer=sgd"]),
        ("optimizer=nope optimizer.l", []),
        ("serve ", []),
    ],
)
def test_what_a_line_may_go_on_with(offered, line, words):
    assert offered(line) == words


def test_an_empty_line_goes_on_with_subcommands_and_groups(offered):
    assert {"compare", "ui", "optimizer=", "sweep="} <= set(offered(""))
