"""Security headers: load from this server only, run no inline script, be framed by FRAME_ANCESTORS alone."""

from flask import Response, current_app, request

DIRECTIVES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "object-src": "'none'",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# X-Frame-Options cannot name other sites; without it, browsers go by frame-ancestors alone.
FRAME_OPTIONS = {"'none'": "DENY", "'self'": "SAMEORIGIN"}


def security_headers(**additions: str) -> dict[str, str]:
    """Return the headers, with sources added to the Content-Security-Policy, such as `img_src="data:"`."""
    added = {name.replace("_", "-"): f" {sources}" for name, sources in additions.items()}
    directives = {**DIRECTIVES, "frame-ancestors": _frame_ancestors()}
    policy = "; ".join(f"{name} {sources}{added.get(name, '')}" for name, sources in directives.items())
    headers = {"Content-Security-Policy": policy, **HEADERS}
    if option := FRAME_OPTIONS.get(_frame_ancestors()):
        headers["X-Frame-Options"] = option
    return headers


def may_be_framed_elsewhere() -> bool:
    """Return whether pages of other sites may embed this server's in a frame."""
    return _frame_ancestors() not in FRAME_OPTIONS


def set_headers(response: Response) -> Response:
    """Add the headers; except for static files, also forbid shared caches to store the response."""
    response.headers.update(security_headers())
    if request.endpoint != "access.static":
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["Vary"] = "Cookie"
    return response


def _frame_ancestors() -> str:
    return current_app.extensions["settings"].frame_ancestors or "'none'"
