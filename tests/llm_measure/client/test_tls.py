"""Options of TLS, by servers that need them."""

import ssl

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from llm_measure.client.model_list import only_model
from llm_measure.client.probe import probe_prompts
from llm_measure.endpoints import Endpoint
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from llm_measure.workloads import Workload
from tests.llm_measure.client.measured import STREAM, errors, measured
from tests.llm_measure.scripted import scripted, whole

QUICK = Behaviour(ttft=0.01, itl=0.001)


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "own-ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def server_tls(authority, host="127.0.0.1", **options) -> ssl.SSLContext:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, **options)
    authority.issue_cert(host).configure_cert(tls)
    return tls


def test_a_ca_file_is_trusted_for_requests_and_for_the_list_of_models(certificate, ca_file):
    with running_mock_server(QUICK, certificate) as url:
        assert errors(measured(url, ca_file=ca_file)) == {None: 2}
        assert only_model(Endpoint(url, "unknown", ca_file=ca_file)) == "mock"


def test_a_ca_file_replaces_the_cas_of_the_system(trusted, certificate, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with running_mock_server(QUICK, certificate) as url:
        assert errors(measured(url, ca_file=str(other))) == {"tls": 2}


def test_a_certificate_of_another_host_is_a_tls_error_unless_it_is_insecure(authority, ca_file):
    with scripted(whole(STREAM), keep=True, tls=server_tls(authority, "llm.invalid")) as server:
        url = server.url.replace("http:", "https:")
        assert errors(measured(url, ca_file=ca_file)) == {"tls": 2}
        assert errors(measured(url, insecure=True)) == {None: 2}


@pytest.fixture
def mutual(authority, ca_file):
    """A server that asks for a client's certificate."""
    tls = server_tls(authority, cafile=ca_file)
    tls.verify_mode = ssl.CERT_REQUIRED
    with scripted(whole(STREAM), keep=True, tls=tls) as server:
        yield server.url.replace("http:", "https:")


@pytest.fixture
def client(authority, tmp_path):
    """A certificate and its key in one file, and each in its own."""
    issued = authority.issue_cert("client@example.com")
    whole, cert, key = (tmp_path / f"client-{name}.pem" for name in ("whole", "cert", "key"))
    issued.private_key_and_cert_chain_pem.write_to_path(whole)
    issued.private_key_pem.write_to_path(key)
    cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    return str(whole), str(cert), str(key)


def test_a_server_that_wants_a_client_certificate_gets_it(mutual, client, ca_file):
    whole, cert, key = client

    assert errors(measured(mutual, ca_file=ca_file, client_cert=whole)) == {None: 2}
    assert errors(measured(mutual, ca_file=ca_file, client_cert=cert, client_key=key)) == {None: 2}
    assert errors(measured(mutual, insecure=True, client_cert=whole)) == {None: 2}


def test_a_missing_client_certificate_is_a_tls_error(mutual, ca_file):
    result = measured(mutual, ca_file=ca_file)

    assert errors(result) == {"tls": 2}
    assert "certificate" in result.records[0].error_detail.lower()


def test_the_probe_does_not_wait_for_a_server_that_misses_a_client_certificate(mutual, ca_file):
    counting = probe_prompts(Endpoint(mutual, "m", ca_file=ca_file), Workload())

    assert "certificate" in counting.problem.lower()


@pytest.fixture
def wrong(tmp_path, authority):
    """Names of unusable files by what they are."""
    (tmp_path / "text.pem").write_text("no certificate")
    other = authority.issue_cert("other@example.com").private_key_pem
    other.write_to_path(tmp_path / "other-key.pem")
    key = serialization.load_pem_private_key(other.bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"sesame"),
    )
    (tmp_path / "encrypted.pem").write_bytes(encrypted)
    return {name: str(tmp_path / f"{name}.pem") for name in ("none", "text", "other-key", "encrypted")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ca_file": "none"}, "ca_file='{}': cannot be read: No such file or directory"),
        ({"ca_file": "text"}, "ca_file='{}': must be a PEM file of certificates"),
        ({"client_cert": "none"}, "client_cert='{}': cannot be read: No such file"),
        (
            {"client_cert": "text"},
            "client_cert='{}': expected PEM files of a certificate, in client_cert, and",
        ),
        ({"client_key": "none"}, "client_key='{}': cannot be read: No such file"),
        ({"client_key": "other-key"}, "client_key='{}': the key does not belong to the certificate"),
        ({"client_key": "encrypted"}, "client_key='{}': the key has a passphrase, which is not supported"),
    ],
)
def test_a_missing_or_wrong_file_is_an_error_before_anything_is_sent(wrong, client, options, message):
    ((option, kind),) = options.items()
    files = {"client_cert": client[1]} if option == "client_key" else {}
    with scripted() as server, pytest.raises(ValueError) as raised:  # noqa: PT011
        measured(server.url.replace("http:", "https:"), **files, **{option: wrong[kind]})

    assert str(raised.value).startswith(message.format(wrong[kind]))
    assert server.connections == 0
