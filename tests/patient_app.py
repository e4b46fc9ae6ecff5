"""The application for Schemathesis, which sends more wrong API keys than an address may."""

from limits import RateLimitItemPerMinute

from webapp import create_app
from webapp.auth import KeyGuard

app = create_app()
app.extensions["key_guard"] = KeyGuard(app.extensions["settings"], RateLimitItemPerMinute(100_000))
