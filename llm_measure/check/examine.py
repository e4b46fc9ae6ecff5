"""Examining an endpoint by a few small requests, which are those of a measurement."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from statistics import median
from threading import Event

from llm_measure import apis
from llm_measure.check import remedies, responses
from llm_measure.check.finding import Finding, Key, Target, fields_to_set
from llm_measure.client.asking import Answer, ask, with_key
from llm_measure.client.model_list import MOST_NAMED, UnlistedError, listed_models
from llm_measure.client.probe import FIRST, SHORT, counting_of
from llm_measure.endpoints import Endpoint
from llm_measure.load.words import WORDS
from llm_measure.records import Record
from llm_measure.workloads import Workload

MAX_REQUESTS = 6
TOGETHER = 16  # endpoints that are examined at the same time
OUTPUT_TOKENS, MORE_OUTPUT_TOKENS = 16, 1024  # the second where hidden reasoning takes all of the first
TAKEN_WITH_THE_KEY = (422, 429)  # statuses that a server has for those alone whom it knows


def examine(targets: Iterable[Target], timeout_s: float) -> list[Finding]:
    """Return what was found out about each endpoint, in their order; they are asked concurrently."""
    return asyncio.run(_all(list(targets), timeout_s))


async def _all(targets: list[Target], timeout_s: float) -> list[Finding]:
    slots = asyncio.Semaphore(TOGETHER)

    async def one(target: Target) -> Finding:
        if target.endpoint is None:
            return Finding(target.name, problem=target.problem, place=target.place)
        async with slots:
            try:
                endpoint = await _keyed(target.endpoint)
                return await _Examination(target, endpoint, timeout_s).run()
            except ValueError as error:  # there is no token, or no credentials to sign a request
                return Finding(target.name, problem=str(error), place=target.place)

    return list(await asyncio.gather(*map(one, targets)))


async def _keyed(endpoint: Endpoint) -> Endpoint:
    stop = Event()
    try:
        return await asyncio.to_thread(with_key, endpoint, stop)
    finally:
        stop.set()  # ends the command if this was cancelled


class _SpentError(Exception):
    """Another request would exceed the number that an examination may send."""


class _Examination:
    """The examination of one endpoint."""

    def __init__(self, target: Target, endpoint: Endpoint, timeout_s: float):
        self._model_is_open = target.model_is_open
        self._given = self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._output_tokens = OUTPUT_TOKENS
        self._tried: list[remedies.Changes] = []
        self._finding = Finding(target.name, endpoint.base_url, endpoint.model, place=target.place)
        # All words in an order of this examination, so that no cache knows the prompt.
        words = random.sample(WORDS, len(WORDS))
        self._prompt = " ".join((FIRST, *words))

    async def run(self) -> Finding:
        """Ask, ask again with changes that may help, then find out about the responses."""
        if self._model_is_open:
            await self._choose_model()
        answer = await self._ask(self._prompt)
        try:
            while answer.record.error and (better := await self._mended(answer)):
                answer = better
            if answer.record.error is None:
                await self._describe(answer.record)
        except _SpentError:
            pass
        self._conclude(answer)
        return self._finding

    async def _choose_model(self) -> None:
        """Take the one model that the endpoint lists, as a measurement does."""
        models = await self._list()
        if models is not None and len(models) == 1:
            self._given = self._endpoint = replace(self._endpoint, model=models[0])
            self._finding.model = models[0]

    async def _list(self) -> list[str] | None:
        """Return the models that the endpoint lists; None if it lists none."""
        self._count()
        try:
            self._finding.models = await listed_models(self._endpoint)
        except UnlistedError:
            return None
        return self._finding.models

    async def _ask(self, prompt: str, endpoint: Endpoint | None = None) -> Answer:
        self._count()
        endpoint = endpoint or self._endpoint
        return await ask(endpoint, self._workload(endpoint), prompt)

    def _workload(self, endpoint: Endpoint) -> Workload:
        inputs = 1 if apis.encodes(endpoint.api) else None
        return Workload(output_tokens=self._output_tokens, timeout_s=self._timeout_s, inputs=inputs)

    def _count(self) -> None:
        if self._finding.requests >= MAX_REQUESTS:
            raise _SpentError
        self._finding.requests += 1

    # From a failure to a response.

    async def _mended(self, answer: Answer) -> Answer | None:
        """Return the answer after a change that makes a difference; None if there is none."""
        record = answer.record
        if responses.lacks_output(record):
            if self._output_tokens < MORE_OUTPUT_TOKENS:
                self._output_tokens = MORE_OUTPUT_TOKENS
                return await self._ask(self._prompt)
            return None
        async for changes in self._changes(answer):
            if changes in self._tried:
                continue
            self._tried.append(changes)
            endpoint = remedies.changed(self._endpoint, changes)
            better = await self._ask(self._prompt, endpoint)
            if remedies.makes_a_difference(changes, answer, better):
                self._endpoint = endpoint
                return better
        return None

    async def _changes(self, answer: Answer) -> AsyncIterator[remedies.Changes]:
        """Yield what may help, the likeliest first."""
        record, body = answer.record, answer.body
        if record.error != "http_4xx" or remedies.refuses_key(record.status, body):
            return
        for changes in remedies.field_changes(self._endpoint, record.status, body):
            yield changes
        about_chat = bool(remedies.ABOUT_CHAT.search(body))
        if about_chat:
            for changes in remedies.api_changes(self._endpoint, record.status, body):
                yield changes
        if record.status in (404, 405) or remedies.is_of_model(body):
            async for changes in self._changes_by_list():
                yield changes
        for changes in remedies.api_changes(self._endpoint, record.status, body):
            yield changes

    async def _changes_by_list(self) -> AsyncIterator[remedies.Changes]:
        """Yield another base URL if this one lists no models, and another model if it lists others."""
        finding = self._finding
        if not finding.models and await self._list() is None:
            for changes in remedies.url_changes(self._endpoint):
                yield changes
            return
        finding.model_known = self._endpoint.model in finding.models
        if not finding.model_known:
            for changes in remedies.model_changes(self._endpoint, finding.models):
                yield changes

    # From responses to what they show.

    async def _describe(self, first: Record) -> None:
        """Ask for the same prompt again, and for one of a single word."""
        seen = [first]
        try:
            for prompt in (self._prompt, SHORT):
                record = (await self._ask(prompt)).record
                if record.error is None:
                    seen.append(record)
                elif prompt is not SHORT:
                    return
        except _SpentError:
            pass
        finally:
            self._describe_responses(seen)

    def _describe_responses(self, seen: list[Record]) -> None:
        finding, (first, *more) = self._finding, seen
        if apis.encodes(self._endpoint.api):
            finding.usage = first.prompt_tokens is not None
        else:
            self._describe_streams(seen)
        if not self._endpoint.asked(self._workload(self._endpoint)).generates_prompts:
            return  # extra_body brings the prompt
        finding.words, finding.prompt_tokens = 1 + len(WORDS), first.prompt_tokens
        if len(more) > 1 and first.prompt_tokens and more[1].prompt_tokens:
            counting = counting_of(more[1].prompt_tokens, first.prompt_tokens)
            if counting.probed:
                finding.template_tokens, finding.tokens_per_word = counting.overhead, counting.tokens_per_word

    def _describe_streams(self, seen: list[Record]) -> None:
        finding, (first, *more) = self._finding, seen
        finding.stream = responses.stream_of(seen)
        finding.usage = first.token_source == "usage"  # noqa: S105  (no password)
        finding.reasoning = responses.reasoning_of(seen)
        times = [time_s for record in seen if (time_s := responses.ttft_s(record)) is not None]
        finding.ttft_s = median(times) if times else None
        if more:
            finding.cache = responses.cache_of(first, more[0])

    # From all that to a verdict.

    def _conclude(self, answer: Answer) -> None:
        """Fill in what the last answer decides, and what to set."""
        finding, record = self._finding, answer.record
        finding.reachable = record.error not in ("connect", "tls") and (
            record.error != "timeout" or record.status is not None
        )
        finding.key = self._key(answer)
        changes = {
            name: value
            for each in self._tried
            for name in each
            if (value := getattr(self._endpoint, name)) != getattr(self._given, name)
        }
        if record.error is None:
            finding.model_known, finding.changes = True, changes
        else:
            asked = f" (asked with {', '.join(fields_to_set(changes))})" if changes else ""
            finding.problem = f"{record.error_detail or record.error}{asked}"
            finding.stream = responses.broken_stream_of(record)
        if self._model_is_open and len(finding.models) != 1:
            finding.model_known = None
            finding.problem = finding.problem or f"model: the endpoint lists {len(finding.models)} models"
        finding.advice = list(self._advice(answer))
        finding.models = finding.models[:MOST_NAMED]

    def _key(self, answer: Answer) -> Key | None:
        record, has_key = answer.record, self._given.api_key is not None
        if record.error and remedies.refuses_key(record.status, answer.body):
            return "refused"
        if record.error is None:
            return "accepted" if has_key else "not needed"
        return "accepted" if has_key and record.status in TAKEN_WITH_THE_KEY else None

    def _advice(self, answer: Answer) -> Iterator[str]:
        """Yield what to set or to know in words."""
        finding, record = self._finding, answer.record
        if finding.key == "refused":
            yield (
                "api_key_env: the variable holds a key that the endpoint refuses"
                if self._given.api_key
                else "api_key_env: the endpoint asks for a key"
            )
        if finding.problem and finding.models and not finding.model_known:
            names = ", ".join(remedies.closest(self._given.model, finding.models)[:MOST_NAMED])
            yield f"model: one of those listed: {names}"
        if record.error == "rate_limited":
            yield "rate limited: check again later, or use a key with a higher limit"
        if finding.stream == "breaks off":
            yield "the stream has no end: look at the server or a proxy in between"
        if finding.stream == "buffers":
            yield "a server or a proxy buffers the stream: ttft is that of the whole response, itl is unknown"
        if finding.stream == "does not stream":
            yield "the endpoint ignores stream: true; only streamed responses are measured"
        if finding.usage is False:
            yield "token counts will be estimates: the endpoint reports no usage"
        if self._output_tokens > OUTPUT_TOKENS:
            yield f"output_tokens: more than {OUTPUT_TOKENS}, which hidden reasoning takes alone"
