"""What a finished exchange holds whose response is one body, with something for each input."""

from llm_measure.apis.encoding import EncodingAPI, Wanted
from llm_measure.client.exchange import Exchange
from llm_measure.client.failures import MALFORMED, class_of, error_of, fail, shown
from llm_measure.client.models import other_model
from llm_measure.records import Record

MAX_PARTS = 1_000_000  # of a body: objects and lists, each of which may take thirty times its bytes


def parse_answer(exchange: Exchange, record: Record, api: EncodingAPI, model: str, wanted: Wanted) -> None:
    """Fill in the record from a response with a status of success, unless its transfer failed."""
    if exchange.failure is not None:
        return
    body = b"".join(exchange.parts)
    if (parts := body.count(b"{") + body.count(b"[")) > MAX_PARTS:
        fail(record, "malformed", f"{parts} objects and lists; expected at most {MAX_PARTS}")
        return
    try:
        answer = api.decode(body)
        fault = answer.fault(wanted)
    except MALFORMED as error:
        kind = exchange.content_type.decode("latin-1").partition(";")[0].strip() or "no content type"
        fail(record, "malformed", f"{error} in {kind}: {shown(body)}")
        return
    if fault and (error_found := error_of(body, api)):
        status, message = api.stream_error(error_found)
        fail(record, class_of(status), f"instead of an answer: {message}")
    elif fault:
        fail(record, "malformed", f"{fault}, got {shown(body)}")
    else:
        record.prompt_tokens = answer.prompt_tokens
        record.answered_by = other_model(model, answer.model)


def is_complete(exchange: Exchange) -> bool:
    """Return whether a response has arrived whole and with a status of success."""
    return exchange.failure is None and exchange.status is not None and 200 <= exchange.status < 300
