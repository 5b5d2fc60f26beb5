from densenet_sweep.commands.arguments import is_of_a_model, with_home


def test_a_home_is_found_where_data_are(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    typed = ["data.root=~/pictures", "+data.table=~", "data.root=/a~b", "x=~/y", "~optimizer", "data.root=~you/x"]
    expected = [
        "data.root=/home/me/pictures",
        "+data.table=/home/me",
        "data.root=/a~b",
        "x=~/y",
        "~optimizer",
        "data.root=~you/x",
    ]
    assert with_home(typed) == expected


def test_a_file_is_no_override():
    names = ["tracking.png", "tracking", "trusted_targets.png", "my_tracking.uri=x.png"]
    assert not any(map(is_of_a_model, names))
    overrides = ["tracking=none", "tracking.uri=sqlite:///a.db", "+tracking.a.b=1", "trusted_targets=[a.*]"]
    assert all(map(is_of_a_model, overrides))
