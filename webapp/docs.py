"""GET /docs: Swagger UI for /openapi.json, with its assets served by this app."""

from flask import Response
from flask_swagger_ui import get_swaggerui_blueprint

from webapp.headers import security_headers

# Its page is templates/index.template.html, its configuration static/docs.js.
docs = get_swaggerui_blueprint("/docs", "/openapi.json", config={"app_name": "LLM Benchmark"})


@docs.after_request
def set_headers(response: Response) -> Response:
    """Add the page's headers, and allow the icons in Swagger UI's style sheet."""
    response.headers.update(security_headers(img_src="data:"))
    return response
