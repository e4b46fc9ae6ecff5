"""GET /docs: Swagger UI for /openapi.json, with its assets served by this app."""

from flask_swagger_ui import get_swaggerui_blueprint

docs = get_swaggerui_blueprint(
    "/docs",
    "/openapi.json",
    config={"app_name": "LLM Benchmark", "persistAuthorization": True, "validatorUrl": None},
)
