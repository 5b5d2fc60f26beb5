from densenet_sweep.commands.arguments import with_home


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
