"""Security headers: load from this server only, run no inline script, allow no framing."""

from flask import Response, request

DIRECTIVES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "object-src": "'none'",
}
POLICY = "Content-Security-Policy"


def policy(**additions: str) -> str:
    """Return the Content-Security-Policy with sources added, such as `img_src="data:"`."""
    added = {name.replace("_", "-"): f" {sources}" for name, sources in additions.items()}
    return "; ".join(f"{name} {sources}{added.get(name, '')}" for name, sources in DIRECTIVES.items())


HEADERS = {
    POLICY: policy(),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def set_headers(response: Response) -> Response:
    """Add the headers; except for static files, also forbid shared caches to store the response."""
    response.headers.update(HEADERS)
    if request.endpoint != "access.static":
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["Vary"] = "Cookie"
    return response


def browser_scheme() -> str:
    """Return the scheme that the browser uses, if only to a proxy."""
    forwarded = request.headers.get("X-Forwarded-Proto") == "https"
    return "https" if request.is_secure or forwarded else "http"
