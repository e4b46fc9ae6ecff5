"""The web page at /: the leaderboard, each LLM, comparisons and runs, rendered from the store.

Each view has two addresses: its own, and /live/... for the page itself, which asks there whether there is
anything new and takes it in without a reload.
"""

from pathlib import Path

from flask import Blueprint, Flask
from werkzeug.exceptions import NotFound

from webapp.page import access, compare, leaderboard, llm, marks, runs, text, views
from webapp.page.errors import answer_unknown_address, register_error_pages
from webapp.page.headers import set_headers
from webapp.page.version import VERSION
from webapp.settings import Settings

WEBAPP = Path(__file__).parent.parent
STATIC_SECONDS = 365 * 24 * 3600
# Rule, endpoint, view; each view answers at /live<rule> too.
VIEWS = (
    ("/", "leaderboard", leaderboard.show),
    ("/llm", "llm", llm.show),
    ("/compare", "compare", compare.show),
    ("/runs", "runs", runs.show),
)


def register_page(app: Flask, settings: Settings) -> None:
    """Serve the page, its static files and the sign-in."""
    access.configure_cookies(app, settings)
    app.register_error_handler(NotFound, answer_unknown_address)
    for blueprint in (_page(), _access()):
        blueprint.after_request(set_headers)
        register_error_pages(blueprint)
        app.register_blueprint(blueprint)
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = STATIC_SECONDS  # each address holds the version
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        version=VERSION,
        csrf_token=access.csrf_token,
        is_signed_in=access.is_signed_in,
        address=views.address,
    )
    app.jinja_env.filters.update(figure=text.figure, whole=text.whole, moment=text.moment, spelled=text.title)
    app.jinja_env.filters.update(first_up=text.first_up)
    app.jinja_env.filters.update(duration=text.duration, percent=marks.percent)


def _page() -> Blueprint:
    """What only readers may see and only the signed-in may change."""
    page = Blueprint("page", __name__)
    page.before_request(access.require_reader)
    for rule, endpoint, view in VIEWS:
        page.add_url_rule(rule, endpoint, view, defaults={"live": False})
        page.add_url_rule(f"/live{rule}", f"live_{endpoint}", view, defaults={"live": True})
    page.add_url_rule("/run-now", "run_now", runs.run_now, methods=["POST"])
    return page


def _access() -> Blueprint:
    """What everybody may see: the sign-in and the static files."""
    blueprint = Blueprint("access", __name__, static_folder=WEBAPP / "static", static_url_path="/static")
    blueprint.add_url_rule("/sign-in", "sign_in", access.show_sign_in)
    blueprint.add_url_rule("/sign-in", "take_key", access.sign_in, methods=["POST"])
    blueprint.add_url_rule("/sign-out", "sign_out", access.sign_out, methods=["POST"])
    return blueprint
