import re

import pytest


@pytest.fixture
def environment(without_database):
    return without_database


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/docs/index.html"])
def test_swagger_ui_loads_nothing_from_other_hosts(stranger, path):
    page = stranger.get(path, follow_redirects=True)

    assert page.status_code == 200
    assert re.findall(r"https?://(?!localhost[/\"])[^\"']*", page.text) == []
    assert '"url": "/openapi.json"' in page.text
    assert '"validatorUrl": null' in page.text


def test_every_asset_is_served_by_the_app(stranger):
    assets = re.findall(r'(?:src|href)="([^"]+)"', stranger.get("/docs/").text)

    assert len(assets) >= 6
    for asset in assets:
        assert asset.startswith("/docs/")
        assert stranger.get(asset).status_code == 200
        if asset.endswith(".css"):
            assert re.findall(r"url\((?![\"']?data:)|@import", stranger.get(asset).text) == []


def test_the_redirect_stays_on_the_requested_host(stranger):
    response = stranger.get("/docs", headers={"Host": "example.test:8001"})

    assert (response.status_code, response.headers["Location"]) == (308, "http://example.test:8001/docs/")


@pytest.mark.parametrize(
    "path", ["/docs/nosuch", "/docs/../wsgi.py", "/docs/%2e%2e/%2e%2e/wsgi.py", "/docs/%00"]
)
def test_other_files_are_not_served(stranger, path):
    response = stranger.get(path)

    assert (response.status_code, response.content_type) == (404, "application/json")


def test_a_host_header_cannot_inject_markup_into_the_page(stranger):
    page = stranger.get("/docs/", headers={"Host": "a</script><script>alert(1)</script>"})

    assert "alert(1)" not in page.text
