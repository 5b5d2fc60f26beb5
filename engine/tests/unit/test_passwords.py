"""Passwords in URLs are found whatever they consist of, hidden, and taken from the environment alone."""

import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study.passwords import check_password, redacted, refuse_written, revealed, scrubbed

HIDDEN = {
    "postgresql://me:secret@host/db": "postgresql://me:***@host/db",
    "postgresql+psycopg://me:se@cret@host:5432/db": "postgresql+psycopg://me:***@host:5432/db",
    "postgresql://me:se/cret@host/db": "postgresql://me:***@host/db",
    "postgresql://me:se/c@re/t@host/db": "postgresql://me:***@host/db",
    "postgresql://me:1234/5@host/db": "postgresql://me:***@host/db",
    "postgresql://me:se?cr#et@host/db": "postgresql://me:***@host/db",
    "postgresql://me:se?x=1@host/db": "postgresql://me:***@host/db",
    "postgresql://me:se%40cret@host/db?sslmode=require": "postgresql://me:***@host/db?sslmode=require",
    "postgresql://me:secret@host/db?application_name=a@b": "postgresql://me:***@host/db?application_name=a@b",
    "postgresql://:secret@host/db": "postgresql://:***@host/db",
    "postgresql://me:secret@[::1]:5432/db": "postgresql://me:***@[::1]:5432/db",
    "postgresql://host/db?user=me&password=secret": "postgresql://host/db?user=me&password=***",
    "postgresql://host:5432/db?password=se@cret&user=me": "postgresql://host:5432/db?password=***&user=me",
    "postgresql://me:one@host/db?sslpassword=two": "postgresql://me:***@host/db?sslpassword=***",
    "mysql+pymysql://host/db?passwd=secret": "mysql+pymysql://host/db?passwd=***",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BPWD%3Dsecret": "mssql+pyodbc:///?odbc_connect=***",
    "https://me:se:cret@host:5000/prefix": "https://me:***@host:5000/prefix",
    "https://host/prefix?access_token=secret": "https://host/prefix?access_token=***",
}


@pytest.mark.parametrize(("url", "shown"), HIDDEN.items())
def test_a_password_is_hidden_and_nothing_else(url, shown, monkeypatch):
    assert redacted(url) == shown
    assert redacted(shown) == shown
    with pytest.raises(SweepError, match="a password is taken from the environment alone") as caught:
        check_password(url)
    assert shown in str(caught.value)
    with pytest.raises(SweepError, match="no variable of the environment holds this URL"):
        revealed(shown)
    monkeypatch.setenv("WHEREVER", url)
    check_password(url)
    assert revealed(shown) == url


PLAIN = [
    "sqlite:///study.db",
    "sqlite:////tmp/a:b@c.db",
    "sqlite:///C:/data/a@b.db",
    "postgresql://me@host/db",
    "postgresql://host:5432/db?options=-c%20search_path=a@b",
    "postgresql://me:@host/db",
    "postgresql://host/db?passfile=/home/me/.pgpass&sslkey=/home/me/key",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BTrusted_Connection%3Dyes",
    "http://host:5000/a@b",
    "http://127.0.0.1:5000/#/experiments/0?x=a@b",
    "grpc://host:13000",
    "journal:/tmp/a:b@c",
    "me:secret@host",
]


@pytest.mark.parametrize("url", PLAIN)
def test_what_has_no_password_stays_as_it_is(url):
    assert redacted(url) == url
    check_password(url)
    refuse_written({"storage": {"url": url}})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a postgresql://me:se/cret@host/db failed", "a postgresql://me:***@host/db failed"),
        ("tracking.uri=http://me:a@h epochs=2 storage.url='mysql://me:b@h/d'", "tracking.uri=http://me:***@h epochs=2 storage.url='mysql://me:***@h/d'"),
        ("[sqlite:///a.db,http://me:secret@host]", "[sqlite:///a.db,http://me:***@host]"),
        ("postgresql://me:two words@host/db", "postgresql://me:***@host/db"),
    ],
)  # fmt: skip
def test_urls_in_a_text(text, shown):
    assert redacted(text) == shown


def test_a_driver_that_cut_a_password_does_not_show_the_pieces(monkeypatch):
    monkeypatch.setenv("DENSENET_SWEEP_STORAGE", "postgresql://me:open/sesame@more@host/db")
    monkeypatch.setenv("OTHER", "postgresql://me:per%25cent@host/db")
    message = 'could not translate host name "more@host", database "sesame@more": per%cent'
    assert scrubbed(message) == 'could not translate host name "***@host", database "***@***": ***'


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"storage": {"url": "postgresql://me:secret@host/db"}}, "storage.url"),
        ({"tracking": {"uri": "${oc.env:X,'postgresql://me:secret@host/db'}"}}, "tracking.uri"),
        ({"a": [{"b": "http://host?password=secret"}]}, "a.b"),
    ],
)
def test_a_password_that_stands_in_a_config_is_refused(config, key, monkeypatch):
    monkeypatch.setenv("DENSENET_SWEEP_STORAGE", "postgresql://me:secret@host/db")  # where it is too does not matter
    with pytest.raises(SweepError, match=f"^{key}=") as caught:
        refuse_written(config)
    assert "secret" not in str(caught.value)


def test_a_password_that_an_interpolation_gives_is_written_nowhere():
    refuse_written({"url": "postgresql://me:${oc.env:PASSWORD}@host/db", "other": "${storage.url}"})
