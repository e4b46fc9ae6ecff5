"""The API's resources, each a folder with routes and schemas."""

from flask_smorest import Api

from webapp.api.rankings.routes import blueprint as rankings

BLUEPRINTS = (rankings,)


def register_apis(api: Api) -> None:
    """Register every resource."""
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
