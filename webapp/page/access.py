"""Who may see and use the page: a signed cookie for people who have signed in with an API key.

The cookie holds no key, only a proof that one was sent, and the random id of its session. Removing a key
from API_KEY therefore signs out everyone who signed in with it. Signing out ends every copy of the cookie.
"""

import hmac
from hashlib import sha256
from secrets import token_urlsafe

from flask import (
    Flask,
    Request,
    Response,
    current_app,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.wrappers import Response as AnyResponse

from webapp import current
from webapp.auth import HEADER, HEADER_IN_ENVIRON, check_key, digest, require_key
from webapp.headers import may_be_framed_elsewhere
from webapp.page.text import error_class
from webapp.sessions import LIFETIME, Sessions
from webapp.settings import Settings

COOKIE = "llm-benchmark"
PROOF = "proof"
SESSION_ID = "id"
CSRF_TOKEN = "csrf_token"  # noqa: S105  (a name)
LONGEST_NEXT = 2000


class CookieInterface(SecureCookieSessionInterface):
    """Flask's signed cookie, restricted to HTTPS where the browser uses HTTPS, if only to a proxy.

    In a frame on another site, browsers accept it over HTTPS only, and apart for each site.
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the cookie's session; for a request without cookies, an empty one, at no cost to the API."""
        if "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Set the cookie; do nothing for a request without cookies whose session is empty."""
        if session or session.modified or "HTTP_COOKIE" in current.environ():
            super().save_session(app, session, response)

    def get_cookie_secure(self, app: Flask) -> bool:
        """Return whether the browser may send the cookie over HTTPS only.

        Any proxy may say so, trusted or not, since it only restricts the cookie.
        """
        return request.is_secure or "https" in request.headers.get("X-Forwarded-Proto", "")

    def get_cookie_samesite(self, app: Flask) -> str:
        """Return whether the browser may send the cookie from other sites; forms need a token anyway."""
        return "None" if self.get_cookie_partitioned(app) else "Lax"

    def get_cookie_partitioned(self, app: Flask) -> bool:
        """Return whether each site that embeds the page has a separate cookie."""
        return may_be_framed_elsewhere() and self.get_cookie_secure(app)


def configure_cookies(app: Flask, settings: Settings) -> None:
    """Sign cookies with SECRET_KEY; without one, with a random key that lasts as long as the process."""
    app.secret_key = settings.secret_key or token_urlsafe(32)
    app.session_interface = CookieInterface()
    app.config.update(
        SESSION_COOKIE_NAME=cookie_name(settings),
        SESSION_COOKIE_PATH=settings.url_prefix or "/",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=LIFETIME,
    )


def cookie_name(settings: Settings) -> str:
    """Return a name that differs between servers with different SECRET_KEYs.

    Browsers do not separate cookies by port, so two servers on one host would overwrite each other's.
    """
    if not settings.secret_key:
        return COOKIE
    return f"{COOKIE}-{sha256(f'{COOKIE} {settings.secret_key}'.encode()).hexdigest()[:8]}"


def is_signed_in() -> bool:
    """Return whether the cookie proves a sign-in with a key that is still valid, and has not been ended.

    Raises one of DATABASE_UNREACHABLE if it is unknown what has ended. The page of that error asks again, and
    then shows itself as to a visitor.
    """
    if "signed_in" not in g:
        g.signed_in = False
        g.signed_in = _has_valid_proof() and not _sessions().has_ended(session[SESSION_ID])
    return g.signed_in


def may_read() -> bool:
    """Return whether the page may be shown to whoever sent the request."""
    settings: Settings = current_app.extensions["settings"]
    return settings.public_dashboard or is_signed_in()


def shown_reason(text: str | None, status: str) -> str:
    """Return why a run has no values: the whole text for the signed-in, else the class of errors alone.

    Texts of providers may contain names of hosts, accounts and models that are not public. The reason of a
    missed run is none of them.
    """
    shown = text or ""
    return shown if status == "missed" or is_signed_in() else error_class(shown)


def require_reader() -> AnyResponse | None:
    """Redirect to the sign-in page unless the request may read; raises Unauthorized at /live/."""
    if may_read():
        return None
    if request.path.startswith("/live/"):
        raise Unauthorized("Signed out; reload the page to sign in")
    path = request.full_path.rstrip("?")
    wanted = path if path != "/" and len(path) <= LONGEST_NEXT else None
    return redirect(url_for("access.sign_in", next=wanted), 303)


def require_reader_or_key() -> bool:
    """Return whether the request has a key or a session; raise Unauthorized or Forbidden if it may not read.

    A wrong key is refused even where the page is public, since whoever sends one expects what it opens.
    """
    if request.environ.get(HEADER_IN_ENVIRON):
        require_key()
        return True
    if not may_read():
        raise Unauthorized(f"Sign in, or send the API key in the header {HEADER}")
    return is_signed_in()


def require_writer() -> None:
    """Refuse a change unless it comes from our form, sent by someone who has signed in."""
    if not is_signed_in():
        raise Unauthorized("Sign in first; changes require the API key")
    require_csrf_token()


def csrf_token() -> str:
    """Return the token that this browser's forms carry."""
    return session.setdefault(CSRF_TOKEN, token_urlsafe(32))


def require_csrf_token() -> None:
    """Refuse a form that does not carry this browser's token."""
    given, right = request.form.get(CSRF_TOKEN, ""), session.get(CSRF_TOKEN, "")
    if not right or not hmac.compare_digest(given.encode(), right.encode()):
        raise Forbidden("This form has expired; go back, reload the page and try again")


def show_sign_in() -> Response | AnyResponse | str:
    """Return the form that asks for an API key; redirect if already signed in."""
    if is_signed_in():
        return redirect(_next(), 303)
    return render_template("page/sign_in.html", next=request.args.get("next", ""))


def sign_in() -> tuple[str, int] | AnyResponse:
    """Exchange an API key for a cookie; 403 for a wrong key, 429 after too many."""
    require_csrf_token()
    key = request.form.get("api_key", "").strip()
    if not key or not check_key(key):
        fault = "Invalid API key." if key else "Enter an API key."
        return render_template("page/sign_in.html", next=request.form.get("next", ""), fault=fault), 403
    session.clear()
    session.permanent = True
    session[PROOF] = _proof(key)
    session[SESSION_ID] = token_urlsafe(16)
    return redirect(_next(), 303)


def sign_out() -> AnyResponse:
    """End the session, which makes all copies of the cookie useless, and delete the cookie."""
    require_csrf_token()
    if is_signed_in():
        _sessions().end(session[SESSION_ID])
    session.clear()
    return redirect(url_for("page.leaderboard"), 303)


def _next() -> str:
    """Return the path to redirect to after signing in: on this server only, under its prefix."""
    path = request.values.get("next", "")
    local = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return request.script_root + path if local else url_for("page.leaderboard")


def _sessions() -> Sessions:
    return current_app.extensions["sessions"]


def _has_valid_proof() -> bool:
    proof = session.get(PROOF)
    matches = [hmac.compare_digest(proof or "", right) for right in _proofs()]
    return bool(proof) and any(matches) and SESSION_ID in session


def _proof(key: str) -> str:
    return _sign(digest(key))


def _proofs() -> list[str]:
    return [_sign(right) for right in current_app.extensions["key_guard"].digests]


def _sign(key_digest: bytes) -> str:
    return hmac.digest(str(current_app.secret_key).encode(), key_digest, "sha256").hex()
