"""The fixtures that the tests here share."""

import pytest

pytestmark = pytest.mark.real("browser")


def test_a_page_of_this_machine_and_a_picture_of_it(page, screenshot, tmp_path):
    file = tmp_path / "page.html"
    file.write_text("<title>mine</title><h1>It is drawn</h1>")
    page.goto(file.as_uri())
    assert page.title() == "mine"
    assert screenshot("page").stat().st_size > 1000


def test_nothing_leaves_the_machine(page):
    from playwright.sync_api import Error

    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://example.com/")
