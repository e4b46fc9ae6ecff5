"""The application, put together: configuration, extensions, blueprints, commands."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, redirect
from sqlalchemy import URL
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from webapp.api import register_apis
from webapp.auth import KeyGuard
from webapp.cache import Answers
from webapp.cli import register_commands
from webapp.docs import docs
from webapp.errors import register_error_handlers
from webapp.extensions import api, cache, db, migrate
from webapp.health import health
from webapp.llms import LLMs
from webapp.monitoring.observer import observe
from webapp.monitoring.routes import monitoring
from webapp.page import register_page
from webapp.page.feed import feed
from webapp.plan.current import CurrentPlan
from webapp.proxies import Proxies, refuse_outside_prefix
from webapp.redis import cache_redis
from webapp.rq_dashboard import register_rq_dashboard
from webapp.sessions import Sessions
from webapp.settings import LONGEST_BODY, ROOT, Settings
from webapp.store import connection_options

# Connections to PostgreSQL that a process of the API keeps while it does not use them.
MOST_IDLE = 2


class App(Flask):
    """Flask for views that are all plain functions, with redirects that do not repeat the request's Host."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the view as it is; looking for coroutines would cost more per request than all metrics."""
        return func

    def handle_http_exception(self, e: HTTPException) -> Any:
        """Redirect to the path alone where the address lacks a slash; Flask would trust the Host header."""
        if not isinstance(e, RequestRedirect):
            return super().handle_http_exception(e)
        wanted = urlsplit(e.new_url)
        path = "/" + wanted.path.lstrip("/")  # "//name" would lead to another host
        return redirect(f"{path}?{wanted.query}" if wanted.query else path, e.code)


def build_app(settings: Settings) -> Flask:
    """Return the application; raises SettingsError if the benchmark file is unusable."""
    app = App(__name__, static_folder=None)  # the page's blueprint serves the static files
    app.config.from_mapping(flask_config(settings))
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["settings"] = settings
    app.extensions["redis"] = redis = cache_redis(settings)
    app.extensions["plan"] = CurrentPlan(settings, redis)
    app.extensions["key_guard"] = KeyGuard(settings)
    app.extensions["llms"] = LLMs(settings, redis)
    app.extensions["sessions"] = Sessions(settings, redis)

    db.init_app(app)
    # Flask-SQLAlchemy would end, after each request, a session that nothing here opens.
    app.teardown_appcontext_funcs.clear()
    migrate.init_app(app, db, directory=str(ROOT / "migrations"))
    cache.init_app(app)
    api.init_app(app)

    register_apis(api)
    api.register_blueprint(health)
    api.register_blueprint(monitoring)
    app.register_blueprint(docs)
    register_page(app, settings)
    app.register_blueprint(feed)
    register_rq_dashboard(app, settings)
    register_commands(app)
    register_error_handlers(app)
    app.extensions["counts"] = counts = observe(app)
    app.extensions["answers"] = Answers(cache, redis, counts.happened)
    if settings.url_prefix:
        app.before_request(refuse_outside_prefix)
    app.wsgi_app = Proxies(app.wsgi_app, settings)  # type: ignore[method-assign]
    return app


def flask_config(settings: Settings) -> dict[str, object]:
    """Return the configuration of Flask and its extensions."""
    return {
        "SQLALCHEMY_DATABASE_URI": URL.create("postgresql+psycopg2"),
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "connect_args": connection_options(settings, "llm-benchmark api"),
            "use_native_hstore": False,  # would ask each new connection whether it has that type
            "pool_pre_ping": True,
            # Further connections are closed as soon as they are not needed, since others need them, too.
            "pool_size": min(MOST_IDLE, settings.postgres_pool_size),
            "max_overflow": max(0, settings.postgres_pool_size - MOST_IDLE),
            "pool_timeout": 5,
        },
        "CACHE_TYPE": "webapp.cache_backend.RedisBytesCache",
        "API_TITLE": "LLM Benchmark",
        "API_VERSION": "v1",
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": "/",
        "OPENAPI_JSON_PATH": "openapi.json",
        "API_SPEC_OPTIONS": {
            "info": {"description": "Rankings of LLMs by speed."},
            "servers": [{"url": settings.url_prefix or "/"}],
            "components": {
                "securitySchemes": {
                    "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                    "bearer": {"type": "http", "scheme": "bearer"},
                }
            },
        },
        "MAX_CONTENT_LENGTH": LONGEST_BODY,
    }
