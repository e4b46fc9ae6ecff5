import pytest

FORGED = {"Host": "elsewhere.test", "X-Forwarded-Host": "elsewhere.test", "Forwarded": "host=elsewhere.test"}


@pytest.fixture
def environment(without_database):
    return without_database


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/docs", "/docs/"),
        ("/docs?a=b", "/docs/?a=b"),
        ("/rq", "/rq/"),
        ("/rq/0", "/rq/0/"),
        ("/runs?status=failed", "/sign-in?next=/runs?status%3Dfailed"),
        ("/", "/sign-in"),
    ],
)
def test_a_redirect_does_not_repeat_the_host_of_the_request(stranger, path, target):
    response = stranger.get(path, base_url="http://elsewhere.test", headers=FORGED)

    assert response.status_code in (303, 308)
    assert response.headers["Location"] == target
    assert "elsewhere.test/" not in response.text.replace(target, "")


def test_a_redirect_never_leads_to_a_name_in_the_path(stranger):
    response = stranger.get("/", environ_overrides={"PATH_INFO": "//docs//elsewhere.test"})

    assert (response.status_code, response.headers["Location"]) == (308, "/docs/elsewhere.test")
