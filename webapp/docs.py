"""GET /docs: Swagger UI over /openapi.json, its assets served from here."""

from flask_swagger_ui import get_swaggerui_blueprint

docs = get_swaggerui_blueprint(
    "/docs",
    "/openapi.json",
    config={"app_name": "LLM Benchmark", "persistAuthorization": True, "validatorUrl": None},
)
