"""Azure OpenAI's chat completions by deployment: https://learn.microsoft.com/azure/foundry/openai/reference.

Its newer form below /openai/v1 is OpenAI's API itself: chat or responses, with the key in api-key.
"""

from typing import Any
from urllib.parse import quote

from llm_measure.apis.openai_chat import OpenAIChat

# The newest that is generally available, and the first such with stream_options; a base URL may name another.
VERSION = "2024-10-21"


class AzureOpenAI(OpenAIChat):
    """POST {base}/openai/deployments/{model}/chat/completions.

    The body names the model, too, as it does when OpenAI's client asks; Azure goes by the path. Chunks with
    the results of content filters have no choices, or one without a delta, so they add nothing.
    """

    name = "azure"

    def path(self, model: str) -> str:
        """Return the deployment's path from the root of the service, and the version."""
        return f"/openai/deployments/{quote(model, safe='')}/chat/completions?api-version={VERSION}"

    def headers(self, api_key: str | None) -> dict[str, str]:
        """Return the header api-key, if there is a key."""
        return {"api-key": api_key} if api_key else {}

    def error_message(self, content: Any) -> str | None:
        """Return the message, after the inner error and what the content filter has found, if anything."""
        message = super().error_message(content)
        found = _filtered(content.get("error")) if isinstance(content, dict) else None
        return f"{found}: {message}" if found and message else message


def _filtered(error: Any) -> str | None:
    """Return the inner error's code with the categories that it names as filtered; None if there is none.

    See https://learn.microsoft.com/azure/foundry/openai/concepts/content-filter; both fields have two names.
    """
    inner = _first_of(error, "innererror", "inner_error")
    code, results = (
        _first_of(inner, "code"),
        _first_of(inner, "content_filter_result", "content_filter_results"),
    )
    named = results if isinstance(results, dict) else {}
    categories = [name for name, result in named.items() if _first_of(result, "filtered")]
    return f"{code} ({', '.join(categories)})" if code and categories else code


def _first_of(value: Any, *names: str) -> Any:
    return next((value[name] for name in names if value.get(name)), None) if isinstance(value, dict) else None
