"""Who may see and use the page: a signed cookie for those who have signed in with an API key.

The cookie holds no key, only a proof that one was given. So a key that is taken out of API_KEY signs out
those who signed in with it.
"""

import hmac
from secrets import token_urlsafe

from flask import Flask, Request, Response, current_app, redirect, render_template, request, session, url_for
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.wrappers import Response as AnyResponse

from webapp.auth import digest, is_key, refuse_wrong_key
from webapp.settings import Settings

PROOF = "proof"
CSRF_TOKEN = "csrf_token"  # noqa: S105  (a name)
DAYS = 30
LONGEST_NEXT = 2000


class CookieInterface(SecureCookieSessionInterface):
    """Flask's signed cookie, for HTTPS alone where the browser speaks HTTPS, if only to a proxy."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The cookie's session; without any cookie, as the API is asked, an empty one that costs nothing."""
        if "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Give the cookie; nothing to do for a request without one that has kept nothing."""
        if session or session.modified or "HTTP_COOKIE" in request.environ:
            super().save_session(app, session, response)

    def get_cookie_secure(self, app: Flask) -> bool:
        """Whether the browser may send the cookie over HTTPS alone."""
        return request.is_secure or request.headers.get("X-Forwarded-Proto") == "https"


def configure_cookies(app: Flask, settings: Settings) -> None:
    """Sign cookies with SECRET_KEY; without one, with a key that lives as long as the process."""
    app.secret_key = settings.secret_key or token_urlsafe(32)
    app.session_interface = CookieInterface()
    app.config.update(
        SESSION_COOKIE_NAME="llm-benchmark",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=DAYS * 24 * 3600,
    )


def is_signed_in() -> bool:
    """Whether the cookie proves that one of today's keys was given."""
    proof = session.get(PROOF)
    matches = [hmac.compare_digest(proof or "", right) for right in _proofs()]
    return bool(proof) and any(matches)


def may_read() -> bool:
    """Whether the page may be shown."""
    settings: Settings = current_app.extensions["settings"]
    return settings.public_dashboard or is_signed_in()


def require_reader() -> AnyResponse | None:
    """Send whoever may not read to the sign-in page; raises Unauthorized for a page that looks for news."""
    if may_read():
        return None
    if request.path.startswith("/live/"):
        raise Unauthorized("you are signed out; reload the page to sign in")
    path = request.full_path.rstrip("?")
    wanted = path if path != "/" and len(path) <= LONGEST_NEXT else None
    return redirect(url_for("access.sign_in", next=wanted), 303)


def require_writer() -> None:
    """Refuse a change unless it comes from a form of ours that a signed-in person sends."""
    if not is_signed_in():
        raise Unauthorized("sign in first: changes need the API key")
    require_csrf_token()


def csrf_token() -> str:
    """The token that this browser's forms carry."""
    return session.setdefault(CSRF_TOKEN, token_urlsafe(32))


def require_csrf_token() -> None:
    """Refuse a form that was not made for this browser."""
    given, right = request.form.get(CSRF_TOKEN, ""), session.get(CSRF_TOKEN, "")
    if not right or not hmac.compare_digest(given.encode(), right.encode()):
        raise Forbidden("this form is out of date; go back, reload the page and try again")


def show_sign_in() -> Response | AnyResponse | str:
    """The form that takes an API key."""
    if is_signed_in():
        return redirect(_next(), 303)
    return render_template("page/sign_in.html", next=request.args.get("next", ""))


def sign_in() -> tuple[str, int] | AnyResponse:
    """Take an API key and give a cookie for it; 403 with a wrong one, 429 after too many."""
    require_csrf_token()
    key = request.form.get("api_key", "").strip()
    if not is_key(key):
        if key:
            refuse_wrong_key()
        fault = "That is not an API key of this server." if key else "Enter the API key."
        return render_template("page/sign_in.html", next=request.form.get("next", ""), fault=fault), 403
    session.clear()
    session.permanent = True
    session[PROOF] = _proof(key)
    return redirect(_next(), 303)


def sign_out() -> AnyResponse:
    """Take the cookie back."""
    require_csrf_token()
    session.clear()
    return redirect(url_for("page.leaderboard"), 303)


def _next() -> str:
    """Where to go after signing in: a path of this server, and nothing else."""
    path = request.values.get("next", "")
    local = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if local else url_for("page.leaderboard")


def _proof(key: str) -> str:
    """The proof for the key given; the key must be right."""
    return _sign(digest(key))


def _proofs() -> list[str]:
    return [_sign(right) for right in current_app.extensions["key_digests"]]


def _sign(key_digest: bytes) -> str:
    return hmac.digest(str(current_app.secret_key).encode(), key_digest, "sha256").hex()
