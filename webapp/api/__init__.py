"""The API's resources, each a package of routes and schemas."""

from flask_smorest import Api

from webapp.api.arguments import without_null
from webapp.api.availability.routes import blueprint as availability
from webapp.api.changes.routes import blueprint as changes
from webapp.api.history.routes import blueprint as history
from webapp.api.incidents.routes import blueprint as incidents
from webapp.api.leaderboard.routes import blueprint as leaderboard
from webapp.api.llms.routes import blueprint as llms
from webapp.api.load_curves.routes import blueprint as load_curves
from webapp.api.points.routes import blueprint as points
from webapp.api.rankings.routes import blueprint as rankings
from webapp.api.recommendation.routes import blueprint as recommendation
from webapp.api.runs.routes import blueprint as runs
from webapp.api.self_checks.routes import blueprint as self_checks

BLUEPRINTS = (
    rankings,
    leaderboard,
    load_curves,
    history,
    points,
    runs,
    recommendation,
    incidents,
    changes,
    availability,
    self_checks,
    llms,
)


def register_apis(api: Api) -> None:
    """Register every resource."""
    api.ma_plugin.converter.add_parameter_attribute_function(without_null)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
