"""The web page at /: the leaderboard, each LLM, comparisons and runs, rendered from the store.

Each view has two addresses: one for people, and /live/..., which the page polls for new results and merges in
without a reload.
"""

from pathlib import Path

from flask import Blueprint, Flask
from werkzeug.exceptions import NotFound

from webapp import scenarios
from webapp.headers import set_headers
from webapp.page import (
    access,
    availability,
    compare,
    incident,
    incidents,
    leaderboard,
    llm,
    load_curves,
    marks,
    run,
    runs,
    status,
    text,
    views,
)
from webapp.page.badges.routes import badges
from webapp.page.errors import register_error_pages, respond_not_found
from webapp.page.notices import add_header, register_notices
from webapp.page.version import version
from webapp.queries import LARGEST_ID
from webapp.settings import Settings
from webapp.watch import state

WEBAPP = Path(__file__).parent.parent
INCIDENT = f"/incidents/<int(min=1, max={LARGEST_ID}):incident_id>"
STATIC_SECONDS = 365 * 24 * 3600
# Rule, endpoint, view; each view is also served at /live<rule>.
VIEWS = (
    ("/", "leaderboard", leaderboard.show),
    ("/llm", "llm", llm.show),
    ("/compare", "compare", compare.show),
    ("/load-curves", "load_curves", load_curves.show),
    ("/runs", "runs", runs.show),
    ("/run", "run", run.show),
    ("/incidents", "incidents", incidents.show),
    (INCIDENT, "incident", incident.show),
    ("/status", "status", status.show),
)
FILTERS = {
    "figure": text.figure,
    "whole": text.whole,
    "percentage": text.percentage,
    "utc": text.utc,
    "label": text.label,
    "sentence": text.sentence,
    "duration": text.duration,
    "percent": marks.percent,
    "share": availability.share,
    "title_of": state.title,
    "amount": text.amount,
    "signed": text.signed,
    "span": text.span,
    "scenario": scenarios.in_words,
    "parts": scenarios.split,
    "reason": access.shown_reason,
}


def register_page(app: Flask, settings: Settings) -> None:
    """Serve the page, its static files, the sign-in and the badges."""
    access.configure_cookies(app, settings)
    register_notices(app)
    app.register_error_handler(NotFound, respond_not_found)
    for blueprint in (_page(), _access()):
        blueprint.after_request(set_headers)
        register_error_pages(blueprint)
        app.register_blueprint(blueprint)
    app.register_blueprint(badges)
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = STATIC_SECONDS  # each address holds the version
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        version=version(),
        csrf_token=access.csrf_token,
        is_signed_in=access.is_signed_in,
        address=views.address,
        choices=views.choices,
        live_address=views.live_address,
        count_open=incidents.count_open,
    )
    app.jinja_env.filters.update(FILTERS)


def _page() -> Blueprint:
    """Return the views, for readers only, and the changes, for the signed-in only."""
    page = Blueprint("page", __name__)
    page.before_request(access.require_reader)
    page.after_request(add_header)
    page.after_request(incidents.add_open_header)
    for rule, endpoint, view in VIEWS:
        page.add_url_rule(rule, endpoint, view, defaults={"live": False})
        page.add_url_rule(f"/live{rule}", f"live_{endpoint}", view, defaults={"live": True})
    page.add_url_rule("/run-now", "run_now", runs.run_now, methods=["POST"])
    page.add_url_rule(
        f"{INCIDENT}/acknowledge", "acknowledge_incident", incident.acknowledge, methods=["POST"]
    )
    page.add_url_rule(f"{INCIDENT}/close", "close_incident", incident.close, methods=["POST"])
    return page


def _access() -> Blueprint:
    """Return what needs no sign-in: the sign-in itself and the static files."""
    blueprint = Blueprint("access", __name__, static_folder=WEBAPP / "static", static_url_path="/static")
    blueprint.add_url_rule("/sign-in", "sign_in", access.show_sign_in)
    blueprint.add_url_rule("/sign-in", "check_key", access.sign_in, methods=["POST"])
    blueprint.add_url_rule("/sign-out", "sign_out", access.sign_out, methods=["POST"])
    return blueprint
