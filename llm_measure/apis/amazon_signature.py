"""Amazon's Signature Version 4, by botocore, which also finds the credentials and refreshes them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

import logging
import os
import re
from urllib.parse import urlsplit

# Such as bedrock-runtime.us-east-1.amazonaws.com, with -fips, or within the name of a VPC endpoint.
REGION_IN_HOST = re.compile(r"(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z]{2,}(?:-[a-z]+)+-[0-9]+)\.")
# What a signature must cover. Proxies may change other headers.
SIGNED = re.compile("host|content-type|x-amz-.*", re.IGNORECASE)


class AmazonSigner:
    """Signs requests to one service, by credentials that botocore finds; ValueError without them or a region.

    `secrets` are those at the start. botocore refreshes temporary credentials in the last 15 minutes before
    they expire, while a request is signed.
    """

    def __init__(self, service: str, base_url: str):
        # At DEBUG, botocore logs what it signs, with the session token, and the credentials that it is given;
        # in warnings, what a command for credentials has written to stderr.
        logging.getLogger("botocore").setLevel(logging.ERROR)
        from botocore.session import Session  # noqa: PLC0415  (it comes with an extra; takes 0.3 s)

        session = Session()
        try:
            credentials = session.get_credentials()
            found = credentials and credentials.get_frozen_credentials()
            region = _region(base_url) or session.get_config_variable("region")
        except Exception as error:  # of many kinds, by where credentials come from
            raise _failure(error) from None
        if not found:
            raise ValueError(
                "AWS credentials: none found; expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
                " AWS_PROFILE, a role, or an API key"
            )
        if not region:
            raise ValueError(
                "AWS region: unknown; expected it in the base URL, such as"
                " https://bedrock-runtime.us-east-1.amazonaws.com, or in AWS_REGION"
            )
        self._credentials, self._service, self._region = credentials, service, region
        self.secrets = (found.secret_key, found.token)

    def signed(self, request: bytes) -> bytes:
        """Return the request with its signature, which holds for 5 minutes."""
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name: value for name, _, value in (line.partition(": ") for line in lines)}
        signed = {name: value for name, value in headers.items() if SIGNED.fullmatch(name)}
        url = target if target.startswith("http") else f"https://{headers['Host']}{target}"
        asked = AWSRequest(method, url, signed, body)
        try:
            credentials = self._credentials.get_frozen_credentials()
        except Exception as error:
            raise _failure(error) from None
        SigV4Auth(credentials, self._service, self._region).add_auth(asked)
        added = [f"{name}: {value}\r\n" for name, value in asked.headers.items() if name not in signed]
        return b"%b\r\n%b\r\n%b" % (head, "".join(added).encode(), body)


def _failure(error: Exception) -> ValueError:
    """Return why there are no credentials, in one line and without the output of a command for them."""
    from botocore.exceptions import CredentialRetrievalError  # noqa: PLC0415

    if isinstance(error, CredentialRetrievalError):
        return ValueError(f"AWS credentials: none by {error.kwargs['provider']}, which failed")
    return ValueError(f"AWS credentials: {' '.join(str(error).split())}")


def _region(base_url: str) -> str | None:
    """Return the region in the host's name, else that of AWS_REGION, which botocore does not read."""
    found = REGION_IN_HOST.search(urlsplit(base_url).hostname or "")
    return found[1] if found else os.environ.get("AWS_REGION")
