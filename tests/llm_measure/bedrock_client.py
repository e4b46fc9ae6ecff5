"""Amazon's official client, which takes most of a second to load its description of the API."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from botocore.client import BaseClient
from botocore.config import Config
from botocore.session import Session

REGION = "eu-central-1"


@cache
def session() -> Session:
    return Session()


@contextmanager
def client_of(url: str, key: str = "AKIDEXAMPLE", secret: str = "secret", token: str | None = None,
              ) -> Iterator[BaseClient]:  # fmt: skip
    """A client that neither retries nor checks its parameters."""
    client = session().create_client(
        "bedrock-runtime",
        REGION,
        endpoint_url=url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )
    try:
        yield client
    finally:
        client.close()
