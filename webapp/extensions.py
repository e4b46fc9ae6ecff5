"""The Flask extensions, created without an app, so that any module can import them."""

from flask import Response, current_app
from flask_caching import Cache
from flask_migrate import Migrate
from flask_smorest import Api
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData

from webapp.errors import ErrorSchema

# Fixed names let a migration drop what an earlier migration created.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class JSONErrorApi(Api):
    """flask-smorest's Api, which documents errors in the shape of this app."""

    ERROR_SCHEMA = ErrorSchema

    def _openapi_json(self) -> Response:
        """Return /openapi.json, which is encoded once, since that takes milliseconds."""
        extensions = current_app.extensions
        if "openapi_json" not in extensions:
            extensions["openapi_json"] = super()._openapi_json().data
        return current_app.response_class(extensions["openapi_json"], mimetype="application/json")


db = SQLAlchemy(metadata=MetaData(naming_convention=NAMING_CONVENTION))
migrate = Migrate()
cache = Cache()
api = JSONErrorApi()
