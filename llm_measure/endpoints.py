"""Where an LLM is served."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from llm_measure import apis


@dataclass(frozen=True)
class Endpoint:
    """An endpoint: base URL, model, provider API and key; ValueError if one of them is unusable."""

    base_url: str  # up to the API's version, such as http://localhost:8000/v1
    model: str
    api: str = "chat"  # the name of a provider API, see `llm_measure.apis`
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_url(self.base_url)
        apis.named(self.api)
        if not self.model or not self.model.isprintable():
            raise ValueError(f"model={self.model!r}: must be a printable name")
        # A header can hold nothing else, and the value is a secret that no message may show.
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ValueError("api_key: must be printable ASCII")


def _check_url(base_url: str) -> None:
    authority = base_url.partition("://")[2].partition("/")[0]
    if "@" in authority or "?" in base_url or "#" in base_url:  # may hold a secret, so it is not shown
        raise ValueError("base_url: must not contain credentials, a query or a fragment")
    try:
        url = urlsplit(base_url)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        usable = False
    if not usable or not url.path.isascii() or any(char.isspace() for char in base_url):
        raise ValueError(
            f"base_url={base_url!r}: must be an http or https URL up to the API's version, such as"
            " http://localhost:8000/v1"
        )
