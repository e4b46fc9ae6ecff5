"""/incidents.atom: the newest incidents as an Atom feed (RFC 4287)."""

from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid5
from xml.etree import ElementTree as ET

from flask import Blueprint, Response, request, url_for
from marshmallow import Schema

from llm_measure.text import printable
from webapp.auth import HEADER
from webapp.cache import answers, etag
from webapp.headers import security_headers
from webapp.page.access import require_reader_or_key
from webapp.page.text import utc
from webapp.page.version import version
from webapp.page.views import query_arguments
from webapp.scenarios import in_words
from webapp.store import Connection, incidents, llms
from webapp.store.incidents import Incident, Signal
from webapp.watch.state import title, words

NAMESPACE = "http://www.w3.org/2005/Atom"
CONTENT_TYPE = "application/atom+xml; charset=utf-8"
TITLE = "LLM Benchmark: incidents"
AUTHOR = "LLM Benchmark"
MOST_ENTRIES = 50
# Of the ids of feeds and entries; a new one would show every entry to every subscriber again.
IDS = UUID("46bd24f3-e79a-4a73-bc36-247e9fc8d2a2")

feed = Blueprint("feed", __name__)


@feed.get("/incidents.atom")
def incidents_feed() -> Response:
    """Return the feed; for visitors, without what providers and users have written and names of servers."""
    query_arguments(Schema)
    audience = "whole" if require_reader_or_key() else "public"
    name = f"feed/{version()}/{audience}{request.script_root}"
    number, body = answers().read(name, partial(_feed, audience == "public"))
    response = Response(body, content_type=CONTENT_TYPE)
    response.headers.update(security_headers())
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = f"Cookie, {HEADER}"
    response.set_etag(f"{etag(number)}-{audience}")
    response.make_conditional(request)
    return response


def _feed(is_public: bool, conn: Connection) -> bytes:
    """Return the feed as XML; its ids differ between installations, which were set up at different times."""
    installed = llms.first_added(conn)
    found = incidents.read(conn, limit=MOST_ENTRIES)
    root = ET.Element("feed", xmlns=NAMESPACE)
    _add(root, "id", _id(installed, "incidents"))
    _add(root, "title", TITLE)
    _add(root, "updated", _date(max([incident.updated_at for incident in found], default=installed)))
    _add(ET.SubElement(root, "author"), "name", AUTHOR)
    ET.SubElement(root, "link", rel="self", type="application/atom+xml", href=url_for("feed.incidents_feed"))
    ET.SubElement(root, "link", rel="alternate", type="text/html", href=_page())
    for incident in found:
        entry = ET.SubElement(root, "entry")
        _add(entry, "id", _id(installed, f"incidents/{incident.id}"))
        _fill(entry, incident, is_public)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


def _fill(entry: ET.Element, incident: Incident, is_public: bool) -> None:
    _add(entry, "title", title(incident))
    _add(entry, "published", _date(incident.opened_at))
    _add(entry, "updated", _date(incident.updated_at))
    ET.SubElement(entry, "link", rel="alternate", type="text/html", href=f"{_page()}/{incident.id}")
    for term in (incident.severity, incident.status):
        ET.SubElement(entry, "category", term=term)
    lines = _lines(incident) if is_public else [*_lines(incident), *_details(incident)]
    _add(entry, "summary", " ".join(lines))


def _lines(incident: Incident) -> list[str]:
    """Return what everybody may read."""
    since = f"{incident.severity.capitalize()} incident since {utc(incident.started_at)}."
    end = [f"Resolved at {utc(incident.resolved_at)}: {incident.resolution}."] if incident.resolved_at else []
    return [since, *(f"{_sign(signal)}." for signal in incident.signals), *end]


def _sign(signal: Signal) -> str:
    where = f"{signal.llm_name} in {in_words(signal.scenario)}: {words(signal)}"
    if signal.low is None or signal.high is None:
        return where
    return f"{where} (95 % interval {100 * signal.low:+.0f} % to {100 * signal.high:+.0f} %)"


def _details(incident: Incident) -> list[str]:
    """Return what only the signed-in may read."""
    texts = {
        "Server": incident.subject if incident.source == "measurement" else None,
        "Cause": incident.cause,
        "Note": incident.note,
    }
    return [f"{name}: {text}." for name, text in texts.items() if text]


def _page() -> str:
    """Return the address of the page that lists the incidents."""
    return f"{request.script_root}/incidents"


def _id(installed: datetime, name: str) -> str:
    return f"urn:uuid:{uuid5(IDS, f'{_date(installed)}/{name}')}"


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _add(parent: ET.Element, name: str, text: str) -> None:
    """Add an element with that text, of which XML allows every printable character."""
    ET.SubElement(parent, name).text = printable(text)
