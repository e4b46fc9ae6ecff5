"""TLS to a PostgreSQL with a certificate of a private CA."""

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
import trustme

from jobs.embedded import EmbeddedPostgres
from jobs.embedded.account import server_account
from tests.conftest import FAST
from tests.pooler import pooled
from tests.support import KEY, dispose, query
from tests.tools import needs
from webapp import create_app
from webapp.settings import Settings, SettingsError
from webapp.store import connect

# The embedded PostgreSQL has no TLS.
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
# Each address of 127.0.0.0/8 is this machine's, so that the server needs no port that nobody else has.
NETWORK = f"127.{os.getpid() % 250 + 1}.{os.getpid() // 250 % 250}"
ADDRESS, OTHER_ADDRESS = f"{NETWORK}.77", f"{NETWORK}.78"
HBA = """
local all all trust
hostssl all certified 127.0.0.0/8 cert
hostssl all all 127.0.0.0/8 trust
"""
IN_USE = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@dataclass(frozen=True)
class Files:
    ca: Path
    other_ca: Path
    certificate: Path
    key: Path


@pytest.fixture(scope="module")
def files(folder) -> Files:
    own = folder / "tls"
    own.mkdir()
    own.chmod(0o755)
    ca, other_ca = trustme.CA(), trustme.CA()
    found = Files(*(own / name for name in ("ca.pem", "other.pem", "client.pem", "client.key")))
    ca.cert_pem.write_to_path(found.ca)
    other_ca.cert_pem.write_to_path(found.other_ca)
    client = ca.issue_cert("client@example.org", common_name="certified")
    client.cert_chain_pems[0].write_to_path(found.certificate)
    write_key(found.key, client)
    server = ca.issue_cert(ADDRESS)
    server.cert_chain_pems[0].write_to_path(own / "server.pem")
    write_key(own / "server.key", server)
    if account := server_account():
        os.chown(own / "server.key", account.pw_uid, account.pw_gid)
    return found


def write_key(path: Path, certificate: trustme.LeafCert) -> None:
    certificate.private_key_pem.write_to_path(path)
    path.chmod(0o600)


@pytest.fixture(scope="module")
def server(folder, files):
    """A PostgreSQL with TLS."""
    if not BINARIES:
        pytest.skip("no PostgreSQL with TLS installed in /usr/lib/postgresql")
    own = files.ca.parent
    options = {
        "listen_addresses": f"{ADDRESS},{OTHER_ADDRESS}", "hba_file": own / "hba", "ssl": "on",
        "ssl_ca_file": files.ca, "ssl_cert_file": own / "server.pem", "ssl_key_file": own / "server.key",
    }  # fmt: skip
    (own / "hba").write_text(HBA)
    given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    started = EmbeddedPostgres(folder / "tls-postgres", options=(*FAST, *given))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.embedded.postgres.postgres_bin", lambda: BINARIES[-1])
        started.start()
        with closing(psycopg2.connect(host=started.host, user="postgres", dbname="postgres")) as conn, conn:
            conn.cursor().execute("CREATE ROLE certified LOGIN")
        yield
        started.stop()


@pytest.fixture
def settings():
    """Makes settings that lead to the server by TLS."""

    def settings(**changes: object) -> Settings:
        given = {"HOST": ADDRESS, "DB": "postgres", "SSLMODE": "verify-full"} | changes
        named = {f"POSTGRES_{name}": str(value) for name, value in given.items()}
        return Settings.from_env({"API_KEY": KEY, "REDIS_HOST": "none", **named})

    return settings


def uses_tls(settings: Settings) -> bool:
    with closing(connect(settings)) as conn:
        return query(conn, IN_USE) == [(True,)]


def faults(settings, **changes: object) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        settings(**changes)
    return refused.value.faults


@pytest.mark.usefixtures("server")
def test_a_private_ca_is_given_by_its_file(settings, files):
    assert uses_tls(settings(SSLROOTCERT=files.ca))


@pytest.mark.usefixtures("server")
def test_a_server_of_another_ca_is_refused(settings, files):
    with pytest.raises(psycopg2.OperationalError, match="certificate verify failed"):
        connect(settings(SSLROOTCERT=files.other_ca))


@pytest.mark.usefixtures("server")
def test_a_server_of_another_name_is_refused_where_the_name_is_verified(settings, files):
    assert uses_tls(settings(SSLROOTCERT=files.ca, SSLMODE="verify-ca", HOST=OTHER_ADDRESS))
    with pytest.raises(psycopg2.OperationalError, match="does not match host name"):
        connect(settings(SSLROOTCERT=files.ca, HOST=OTHER_ADDRESS))


@pytest.mark.usefixtures("server")
def test_the_systems_cas_are_found(settings, files, monkeypatch):
    with pytest.raises(psycopg2.OperationalError, match="certificate verify failed"):
        connect(settings(SSLROOTCERT="system"))
    monkeypatch.setenv("SSL_CERT_FILE", str(files.ca))

    assert uses_tls(settings(SSLROOTCERT="system"))


@pytest.mark.usefixtures("server")
def test_a_client_shows_its_certificate(settings, files):
    given = {"SSLROOTCERT": files.ca, "USER": "certified"}

    assert uses_tls(settings(**given, SSLCERT=files.certificate, SSLKEY=files.key))
    with pytest.raises(psycopg2.OperationalError, match="requires a valid client certificate"):
        connect(settings(**given))


@needs("pgbouncer")
def test_the_api_and_migrations_use_the_same_settings(environment, files, folder, counter):
    """Through a PgBouncer that requires TLS."""
    own = files.ca.parent
    pool = folder / f"tls-pool-{next(counter)}"
    tls = {"client_tls_key_file": own / "server.key", "client_tls_cert_file": own / "server.pem"}
    changes = {
        "POSTGRES_HOST": ADDRESS, "POSTGRES_SSLMODE": "verify-full", "POSTGRES_SSLROOTCERT": str(files.ca),
    }  # fmt: skip
    with pooled(
        environment, pool, changes, listen_addr=ADDRESS, client_tls_sslmode="require", **tls
    ) as through:
        app = create_app(Settings.from_env(through))
        checks = app.test_client().get("/readyz").json["checks"]
        dispose(app)

    assert (checks["database"], checks["migrations"]) == ("ok", "ok")


def test_a_missing_ca_is_refused_with_the_name_of_its_setting(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))

    assert faults(settings) == [
        "POSTGRES_SSLROOTCERT='': must be the path of the CA's certificates, or system,"
        " with POSTGRES_SSLMODE=verify-full"
    ]


@pytest.mark.parametrize("missing", ["SSLCERT", "SSLKEY"])
def test_a_certificate_and_its_key_need_each_other(settings, files, missing):
    given = {"SSLROOTCERT": files.ca, "SSLCERT": files.certificate, "SSLKEY": files.key, missing: ""}

    (fault,) = faults(settings, **given)
    assert fault.startswith(f"POSTGRES_{missing}='': must be given")


def test_the_systems_cas_prove_nothing_without_the_name(settings):
    (fault,) = faults(settings, SSLROOTCERT="system", SSLMODE="require")
    assert fault.startswith("POSTGRES_SSLMODE='require': must be verify-full")


@pytest.mark.parametrize("mode", [0o604, 0o660])
def test_a_key_that_others_can_read_is_refused_as_libpq_would(settings, files, tmp_path, mode):
    key = tmp_path / "key"
    key.write_bytes(files.key.read_bytes())
    key.chmod(mode)

    (fault,) = faults(settings, SSLROOTCERT=files.ca, SSLCERT=files.certificate, SSLKEY=key)
    assert "must be readable by its owner alone" in fault
