"""Certificates for TLS to PostgreSQL: the system's CAs, and what must be given together."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from webapp.settings.parsers import file

SYSTEM = "system"
# Where Debian, Red Hat, Alpine and others keep the certificates of the CAs that they trust.
SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
)
DEFAULT_CA = Path("~/.postgresql/root.crt")  # of libpq
VERIFYING = ("verify-ca", "verify-full")


def ca_file(raw: str) -> str:
    """Return the absolute path of a file of certificates, that of the system's CAs for `system`.

    libpq's own `system` is that of its OpenSSL, and the one that psycopg2-binary brings has no certificates.
    """
    if raw != SYSTEM:
        try:
            return file(raw)
        except ValueError as error:
            raise ValueError(f"{error}, or {SYSTEM}") from None
    named = ssl.get_default_verify_paths().cafile  # by SSL_CERT_FILE, too
    for path in filter(None, (named, *SYSTEM_FILES)):
        if Path(path).is_file():
            return path
    raise ValueError("this system has no file of CAs; install ca-certificates, or give the path of a file")


def key_file(raw: str) -> str:
    """Return the absolute path of a private key that libpq accepts: one that no other user may read."""
    path = file(raw)
    if path:
        status = Path(path).stat()
        if status.st_mode & (0o037 if status.st_uid == 0 else 0o077):
            raise ValueError("must be readable by its owner alone (chmod 600), or 640 if root owns it")
    return path


def faults(environ: Mapping[str, str]) -> list[str]:
    """Return what is missing or contradictory in the settings of PostgreSQL's certificates."""
    given = {
        name: environ.get(f"POSTGRES_{name}", "").strip()
        for name in ("HOST", "SSLMODE", "SSLROOTCERT", "SSLCERT", "SSLKEY")
    }
    found = []
    if bool(given["SSLCERT"]) != bool(given["SSLKEY"]):
        missing = "SSLKEY" if given["SSLCERT"] else "SSLCERT"
        found.append(f"POSTGRES_{missing}='': must be given, since a certificate and its key need each other")
    if given["SSLROOTCERT"] == SYSTEM and given["SSLMODE"] != "verify-full":
        found.append(
            f"POSTGRES_SSLMODE={given['SSLMODE']!r}: must be verify-full with POSTGRES_SSLROOTCERT=system,"
            " since anybody can get a certificate of those CAs"
        )
    if given["SSLMODE"] in VERIFYING and not (
        given["SSLROOTCERT"]
        or given["HOST"].startswith("/")  # without TLS
        or os.environ.get("PGSSLROOTCERT")
        or DEFAULT_CA.expanduser().is_file()
    ):
        found.append(
            "POSTGRES_SSLROOTCERT='': must be the path of the CA's certificates, or system,"
            f" with POSTGRES_SSLMODE={given['SSLMODE']}"
        )
    return found
