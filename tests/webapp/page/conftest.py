"""Clients that have signed in."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support import KEY

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def token(client: FlaskClient, path: str = "/sign-in") -> str:
    """The CSRF token of the forms at that path."""
    return TOKEN.search(client.get(path).text)[1]


def sign_in(client: FlaskClient, key: str = KEY, **more: str):
    return client.post("/sign-in", data={"csrf_token": token(client), "api_key": key, **more})


@pytest.fixture
def make_reader() -> Callable[[Flask], FlaskClient]:
    """Makes a client of an app and signs it in."""

    def make(app: Flask) -> FlaskClient:
        client = app.test_client()
        assert sign_in(client).status_code == 303
        return client

    return make


@pytest.fixture
def reader(app: Flask, make_reader: Callable[[Flask], FlaskClient]) -> FlaskClient:
    return make_reader(app)
