// Starts Swagger UI, which forgets an API key when the page is left.
"use strict";

SwaggerUIBundle({
  url: document.getElementById("swagger-ui").dataset.url,
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
});
