import re

import pytest

from tests.web import assert_strict


@pytest.fixture
def environment(without_database):
    return without_database


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/docs/index.html"])
def test_swagger_ui_loads_nothing_from_other_hosts(stranger, path):
    page = stranger.get(path, follow_redirects=True)

    assert page.status_code == 200
    assert re.findall(r"https?://[^\"']*", page.text) == []


def test_every_asset_is_served_by_the_app(stranger):
    assets = re.findall(r'(?:src|href)="([^"]+)"', stranger.get("/docs/").text)

    assert len(assets) >= 5
    for asset in assets:
        assert asset.startswith(("/docs/", "/static/"))
        assert stranger.get(asset).status_code == 200
        if asset.endswith(".css"):
            assert re.findall(r"url\((?![\"']?data:)|@import", stranger.get(asset).text) == []


@pytest.mark.parametrize("path", ["/docs/", "/docs/swagger-ui.css", "/docs/nosuch"])
def test_only_its_own_scripts_run_and_no_other_site_may_frame_it(stranger, path):
    headers = stranger.get(path).headers

    assert_strict(headers)
    assert "script-src 'self';" in headers["Content-Security-Policy"]


def test_no_script_is_inline(stranger):
    assert re.findall(r"<script(?! src)|<style|\bon\w+=|javascript:", stranger.get("/docs/").text) == []


def test_the_key_is_not_persisted(stranger):
    (script,) = re.findall(r'src="(/static/docs[^"]+)"', stranger.get("/docs/").text)

    assert "persistAuthorization: false" in stranger.get(script).text


@pytest.mark.parametrize(
    "path", ["/docs/nosuch", "/docs/../wsgi.py", "/docs/%2e%2e/%2e%2e/wsgi.py", "/docs/%00"]
)
def test_other_files_are_not_served(stranger, path):
    response = stranger.get(path)

    assert (response.status_code, response.content_type) == (404, "application/json")


def test_a_host_header_cannot_inject_markup_into_the_page(stranger):
    page = stranger.get("/docs/", headers={"Host": "a</script><script>alert(1)</script>"})

    assert "alert(1)" not in page.text
