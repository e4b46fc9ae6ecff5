"""TLS as an endpoint's options ask for it."""

import ssl
from pathlib import Path

from llm_measure.endpoint_checks import FILES
from llm_measure.endpoints import Endpoint


def context(endpoint: Endpoint, offered: str | None = None) -> ssl.SSLContext | None:
    """Return how to connect with TLS, None without; ValueError if a file is missing or wrong.

    `offered` is the one protocol that the server may agree on, such as h2.
    """
    if endpoint.scheme != "https":
        return None
    for name in FILES:
        _check_readable(name, getattr(endpoint, name))
    try:
        found = ssl.create_default_context(cafile=endpoint.ca_file)
    except ssl.SSLError:
        raise ValueError(f"ca_file={endpoint.ca_file!r}: must be a PEM file of certificates") from None
    if offered:
        found.set_alpn_protocols([offered])
    if endpoint.insecure:
        found.check_hostname, found.verify_mode = False, ssl.CERT_NONE
    if endpoint.client_cert:
        _load_certificate(found, endpoint.client_cert, endpoint.client_key)
    return found


def check_files(endpoint: Endpoint) -> None:
    """Raise ValueError if a file that the endpoint names is missing or wrong."""
    if any(getattr(endpoint, name) for name in FILES):
        context(endpoint)


def _check_readable(name: str, path: str | None) -> None:
    try:
        if path:
            Path(path).open("rb").close()
    except OSError as error:
        raise ValueError(f"{name}={path!r}: cannot be read: {error.strerror}") from None


def _load_certificate(tls: ssl.SSLContext, certificate: str, key: str | None) -> None:
    subject = f"client_key={key!r}" if key else f"client_cert={certificate!r}"

    def refuse() -> str:
        raise ValueError(f"{subject}: the key has a passphrase, which is not supported; expected one without")

    try:
        tls.load_cert_chain(certificate, key, refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"{subject}: the key does not belong to the certificate") from None
        raise ValueError(
            f"{subject}: expected PEM files of a certificate, in client_cert, and of its private key"
        ) from None
