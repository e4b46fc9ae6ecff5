"""Signatures of requests to Amazon, as botocore makes them and a server recomputes them."""

import json
import logging
import re
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from llm_measure import Endpoint, Load, Workload, apis, measure
from llm_measure.apis.amazon_signature import AmazonSigner
from tests.llm_measure.bedrock_client import client_of
from tests.llm_measure.cli.command import invoke
from tests.llm_measure.event_streams import CONTENT_TYPE, event
from tests.llm_measure.scripted import scripted, whole

MODEL = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.claude-v1:0"
URL = "https://bedrock-runtime.us-east-1.amazonaws.com"
KEY_ID, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "IQoJb3JpZ2luX2VjEXAMPLE"
SIGNATURE = re.compile("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/([0-9]{8})/([^/]+)/([^/]+)/aws4_request,"
                       " SignedHeaders=([^,]+), Signature=([0-9a-f]{64})")  # fmt: skip
ANSWER = whole(
    event("contentBlockDelta", contentBlockIndex=0, delta={"text": "a"})
    + event("messageStop", stopReason="end_turn"),
    kind=CONTENT_TYPE,
)
REQUEST = b"POST / HTTP/1.1\r\nHost: h\r\n\r\n"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}
AWS = (*CREDENTIALS, "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK")


@pytest.fixture(autouse=True)
def no_other_credentials(monkeypatch, tmp_path):
    for name in AWS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def credentials(monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def verified(request: bytes) -> tuple[str, str]:
    """Recompute the signature from what has arrived, as a server does; return its region and service."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    day, region, service, names, signature = SIGNATURE.fullmatch(headers["authorization"]).groups()
    assert headers["x-amz-date"].startswith(day)
    signed = {name: headers[name] for name in names.split(";")}
    assert {"host", "x-amz-date"} | {name for name in headers if name.startswith("x-amz-")} <= signed.keys()
    asked = AWSRequest(method, f"https://host{target}", signed, body)
    asked.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(KEY_ID, SECRET, headers.get("x-amz-security-token")), service, region)
    assert auth.signature(auth.string_to_sign(asked, auth.canonical_request(asked)), asked) == signature
    return region, service


def measured(url: str, load: Load, **options: object):
    return measure(Endpoint(url, MODEL, "bedrock", **options), Workload(output_tokens=3), load, probe=False)


@pytest.mark.parametrize("load", [Load(concurrency=2, requests=6), Load(rate=200.0, requests=6)])
def test_each_request_has_a_signature_that_the_server_recomputes(credentials, monkeypatch, load):
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    with scripted(ANSWER, keep=True) as server:
        result = measured(server.url + "?a=b%20c", load, headers={"X-Amz-Meta": "a  b"})

    assert [found.error for found in result.records] == [None] * 6
    assert {verified(request) for request in server.requests} == {("eu-central-1", "bedrock")}
    assert len({request.partition(b"\r\n\r\n")[2] for request in server.requests}) == 6
    assert all(f"\r\nX-Amz-Security-Token: {TOKEN}\r\n".encode() in each for each in server.requests)


def test_a_changed_body_or_path_has_another_signature(credentials):
    request = AmazonSigner("bedrock", URL).signed(b"POST /a HTTP/1.1\r\nHost: h\r\n\r\nbody")

    assert verified(request) == ("us-east-1", "bedrock")
    for changed in (request.replace(b"body", b"bodY"), request.replace(b"POST /a", b"POST /b")):
        with pytest.raises(AssertionError):
            verified(changed)


def test_botocore_sends_the_same_request_with_a_signature_of_the_same_form(credentials, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    with scripted(ANSWER) as server:
        body = apis.named("bedrock").body(MODEL, "hello", 3)
        with client_of(server.url, KEY_ID, SECRET, TOKEN) as client:
            list(client.converse_stream(modelId=MODEL, **body)["stream"])
        measured(server.url, Load(concurrency=1, requests=1))

    theirs, ours = server.requests
    assert verified(theirs) == verified(ours)
    assert theirs.partition(b"\r\n")[0] == ours.partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("host", "region"),
    [("bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
     ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
     ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
     ("vpce-0a-1b.bedrock-runtime.eu-west-3.vpce.amazonaws.com", "eu-west-3"),
     ("gateway.example.com", "ap-south-1")],
)  # fmt: skip
def test_the_region_is_that_of_the_host_or_of_the_environment(credentials, monkeypatch, host, region):
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    request = AmazonSigner("bedrock", f"https://{host}").signed(REQUEST)

    assert verified(request)[0] == region


def test_credentials_may_come_from_a_profile(monkeypatch, tmp_path):
    (tmp_path / "credentials").write_text(
        f"[bench]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"
    )
    (tmp_path / "config").write_text("[profile bench]\nregion = sa-east-1\n")
    monkeypatch.setenv("AWS_PROFILE", "bench")
    request = AmazonSigner("bedrock", "https://gateway").signed(REQUEST)

    assert verified(request)[0] == "sa-east-1"


def test_temporary_credentials_are_refreshed_before_they_expire(monkeypatch, tmp_path):
    soon = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
    found = {"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "Expiration": soon}
    process = tmp_path / "process"
    process.write_text(f"#!/bin/sh\necho >> {tmp_path}/calls\n"
                       f"sed s/TOKEN/token-$(wc -l < {tmp_path}/calls)/ {tmp_path}/found\n")  # fmt: skip
    process.chmod(0o700)
    (tmp_path / "found").write_text(json.dumps(found | {"SessionToken": "TOKEN"}))
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {process}\n")
    signer = AmazonSigner("bedrock", URL)
    requests = [signer.signed(REQUEST) for _ in range(2)]

    tokens = [re.search(rb"Token: token-([0-9])", request)[1] for request in requests]
    assert tokens == sorted(set(tokens))
    assert {verified(request) for request in requests} == {("us-east-1", "bedrock")}


@pytest.mark.parametrize(
    ("variables", "message"),
    [({}, "AWS credentials: none found; expected AWS_ACCESS_KEY_ID and"),
     ({"AWS_PROFILE": "lost"}, r"AWS credentials: The config profile \(lost\) could not be found"),
     ({"AWS_ACCESS_KEY_ID": KEY_ID}, "AWS credentials: Partial credentials found"),
     (CREDENTIALS, "AWS region: unknown; expected it in the base URL, such as")],
)  # fmt: skip
def test_what_is_missing_is_one_line_and_exit_code_2(monkeypatch, variables, message):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = invoke("run", "--base-url", "http://127.0.0.1:9", "--model", "m", "--api", "bedrock")

    assert done.exit_code == 2
    assert re.fullmatch(f"Error: {message}[^\n]*\n", done.stderr)


@pytest.mark.parametrize("output", ["echo sesame >&2; exit 1", "echo sesame"], ids=["error", "no JSON"])
def test_a_failing_command_for_credentials_is_one_line_without_its_output(tmp_path, caplog, output):
    soon = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
    found = {"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "Expiration": soon}
    process = tmp_path / "process"
    process.write_text(f"#!/bin/sh\necho '{json.dumps(found)}'\n")
    process.chmod(0o700)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {process}\n")
    signer = AmazonSigner("bedrock", URL)
    process.write_text(f"#!/bin/sh\n{output}\n")

    for fail in (lambda: AmazonSigner("bedrock", URL), lambda: signer.signed(REQUEST)):
        with pytest.raises(ValueError, match=r"\AAWS credentials: [^\n]+\Z") as error:
            fail()
        assert "sesame" not in str(error.value)
    assert "sesame" not in caplog.text


def test_credentials_that_amazon_refuses_are_one_line(credentials, monkeypatch):
    def refuse(*args: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")

    monkeypatch.setattr(Credentials, "get_frozen_credentials", refuse)
    with pytest.raises(ValueError, match=r"AWS credentials: An error occurred \(AccessDenied\)"):
        AmazonSigner("bedrock", URL)


def test_credentials_are_neither_shown_nor_logged(credentials, monkeypatch, caplog, capsys):
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    echo = f"The Canonical String should have been 'host:h\nx-amz-security-token:{TOKEN}' by {SECRET}"
    with caplog.at_level(logging.DEBUG), scripted(whole(echo.encode(), "403 No", "text/plain")) as server:
        result = measured(server.url, Load(concurrency=1, requests=1))

    (found,) = result.records
    assert found.error == "http_4xx"
    shown = f"{found.error_detail} {result.to_dict(records=True)} {caplog.text} {capsys.readouterr()}"
    assert "The Canonical String" in shown
    assert SECRET not in shown
    assert TOKEN not in shown
