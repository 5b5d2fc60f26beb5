"""What a user can choose does not name the files and schemas that options are made of."""

import re

OUR_SWEEPS = ["densenet_or_resnet", "growth_depth_lr", "quickstart", "seed_net"]


def test_help_lists_public_options_alone(command):
    shown = command("--help")
    assert shown.exit_code == 0
    listed = re.findall(r"^(?:architecture|data|optimizer|storage|sweep): (.*)$", shown.out, flags=re.MULTILINE)
    assert len(listed) == 5
    assert not [name for line in listed for name in line.split(", ") if name.startswith("_")]
    assert listed[-1] == ", ".join(OUR_SWEEPS)


def test_completion_offers_public_options_alone(command, monkeypatch):
    for typed, expected in {"sweep=": OUR_SWEEPS, "optimizer=_": []}.items():
        monkeypatch.setenv("COMP_LINE", f"densenet-sweep {typed}")
        monkeypatch.setenv("COMP_POINT", str(len(f"densenet-sweep {typed}")))
        completed = command("--shell-completion", "query=bash")
        assert completed.out.split() == [f"sweep={name}" for name in expected]
