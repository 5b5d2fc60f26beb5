"""The report that is served while a sweep runs."""

import http.client
import logging
import threading
from collections.abc import Callable

import pytest

from densenet_sweep.report import live
from densenet_sweep.report.live import LivePage


def test_the_page_is_made_again_only_when_its_studies_have_changed():
    state, made = [0], []

    def make(version: str) -> str:
        made.append(version)
        return f"{state[0]} {version}"

    page = LivePage(lambda: state[0], make)
    page.look()
    assert made == made[:1]
    assert page.current == (f"0 {made[0]}".encode(), f'"{made[0]}"')
    state[0] = 1
    page.look()
    assert page.current == (f"1 {made[1]}".encode(), f'"{made[1]}"')
    assert len(set(made)) == 2


def test_while_a_study_cannot_be_read_the_page_stays_and_one_warning_says_why(caplog):
    state: list[Callable[[], int]] = [lambda: 0]
    page = LivePage(lambda: state[0](), lambda _: "first")

    def away() -> int:
        raise ConnectionError("the database\nis away")

    state[0] = away
    with caplog.at_level(logging.WARNING):
        page.look()
        page.look()
    assert page.current[0] == b"first"
    assert caplog.messages == ["the page stays as it is: the database is away"]
    page._make = lambda _: "second"
    state[0] = lambda: 1
    page.look()
    assert page.current[0] == b"second"


@pytest.fixture
def served() -> tuple[LivePage, int]:
    """A page and its port; its server ends with the process."""
    page = LivePage(lambda: 0, lambda _: "ä page")
    server = live._server(page, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return page, server.server_address[1]


def request(port: int, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_nothing_is_served_but_the_page(served):
    page, port = served
    content, tag = page.current
    assert request(port) == (200, "ä page".encode())
    assert request(port, Host=f"localhost:{port}") == (200, content)
    assert request(port, If_None_Match=tag) == (304, b"")
    assert request(port, If_None_Match='"other"') == (200, content)
    assert request(port, method="HEAD") == (200, b"")
    assert request(port, "/etc/passwd") == (404, b"")
    assert request(port, "/?") == (404, b"")
    assert request(port, Host="evil.example:80") == (403, b"")  # a name of another site that leads to this machine
    assert request(port, method="POST")[0] == 501


def test_viewers_learn_that_the_study_cannot_be_read_any_more(served):
    page, port = served
    stale = []
    for page.complaint in ("", "it is gone"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/", headers={"If-None-Match": page.current[1]})
        stale.append(connection.getresponse().headers["X-Stale"])
        connection.close()
    assert stale == ["no", "yes"]


def test_several_viewers_get_the_same_page_at_once(served):
    _, port = served
    waiting = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    waiting.connect()  # and sends nothing
    assert [request(port)[0] for _ in range(3)] == [200] * 3
    waiting.close()


def test_a_port_that_is_taken_is_refused(served):
    page, port = served
    with pytest.raises(ValueError, match=rf"^--port {port}: taken by another program; without it a free one is chosen$"):
        live.serve(page, port, lambda _: None)


def test_it_serves_until_it_is_interrupted(monkeypatch):
    looked = []
    page = LivePage(lambda: 0, lambda _: "it")

    def interrupt() -> None:
        looked.append(request(int(addresses[0].rstrip("/").rpartition(":")[2])))
        raise KeyboardInterrupt

    addresses: list[str] = []
    monkeypatch.setattr(page, "look", interrupt)
    monkeypatch.setattr(live, "_SECONDS", 0)
    with pytest.raises(KeyboardInterrupt):
        live.serve(page, 0, addresses.append)
    assert looked == [(200, b"it")]
    assert addresses[0].startswith("http://127.0.0.1:")
