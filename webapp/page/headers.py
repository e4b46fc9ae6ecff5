"""Security headers: load from this server only, run no inline script, allow no framing."""

from flask import Response, request

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
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
