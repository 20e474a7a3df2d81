"""Calls sibling services: with timeouts, retries, a circuit breaker each, and distrust of what they answer."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, BinaryIO, NoReturn

import httpx
from pybreaker import CircuitBreaker, CircuitBreakerError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from agent_service.planning import Call
from agent_service.uploads import UploadReader
from nova_kit import deadlines, outgoing, telemetry

# The caller's own mistakes, as a sibling finds them; any other refusal means that the agent called it wrongly.
_CALLERS_MISTAKES = frozenset({400, 413, 415, 422})

# What a load balancer answers for a service that is away for a moment. Whatever else fails once will fail again.
_PASSING_STATUSES = frozenset({502, 503, 504})

_MAX_ANSWER_BYTES = 8 * 1024 * 1024
_REPORT = "If that happens again, report the request id."
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How much a sibling is put up with.

    Attributes:
        connect_seconds: Default: 2.
        silence_seconds: Longest wait for a piece of the answer. Default: 30.
        call_seconds: For a step, all attempts together. Default: 45.
        attempts: Default: 3.
        pause_seconds: Upper bound of the first random pause between attempts; it doubles. Default: 0.2.
        longest_pause: The most that a sibling with too much to do may ask for between attempts. Default: 2.
        failures: In a row, until the breaker opens. Default: 5.
        rest_seconds: How long it stays open. Default: 10.
    """

    connect_seconds: float = 2.0
    silence_seconds: float = 30.0
    call_seconds: float = 45.0
    attempts: int = 3
    pause_seconds: float = 0.2
    longest_pause: float = 2.0
    failures: int = 5
    rest_seconds: float = 10.0


class CallError(Exception):
    """A sibling gave no usable answer.

    Args:
        status: 502 or 504; for the caller's own mistake, the sibling's 4xx.
        detail: A sentence for the caller.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class PassingError(CallError):
    """A failure that another attempt may not meet."""


class OverloadError(PassingError):
    """The sibling is well, and has too much to do.

    Args:
        detail: A sentence for the caller.
        retry_after: Seconds that it asks for before another attempt.
    """

    def __init__(self, detail: str, retry_after: float) -> None:
        super().__init__(503, detail)
        self.retry_after = retry_after


class CallerError(CallError):
    """The sibling is well: what the caller sent cannot be used."""


class Siblings:
    """The services beside the agent.

    Args:
        api_url: Base URL of the environment's load balancer; None when the process was not told.
        patience: How much a sibling is put up with.
        transport: What carries the requests. Default: the network.
    """

    def __init__(
        self,
        api_url: str | None,
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._api_url = api_url
        self._patience = patience = patience or Patience()
        self._breakers: dict[str, CircuitBreaker] = {}
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(patience.silence_seconds, connect=patience.connect_seconds),
            transport=transport,
            # Siblings are reached directly, whatever proxy the environment names for the outside world.
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def call(self, call: Call, upload: BinaryIO | None, on_attempt: Callable[[], None]) -> dict[str, Any]:
        """Make a call until it succeeds, or there is no point in going on.

        Args:
            call: What to call.
            upload: The file that goes along, if it takes one.
            on_attempt: Told of every attempt.

        Returns:
            The sibling's JSON answer; for a picture, `{"image": <data URL>}`.

        Raises:
            CallError: There is no usable answer.
        """
        if call.service is None:
            # Deliberate, and known since the deployment: no failure of the agent's, which would page somebody.
            raise CallerError(422, "Not configured: no service here does this.")
        patience = self._patience
        left = deadlines.seconds_left()
        seconds = patience.call_seconds if left is None else min(left, patience.call_seconds)
        retrying = AsyncRetrying(
            retry=retry_if_exception(self._may_pass),
            stop=stop_after_attempt(patience.attempts),
            wait=self._pause,
            reraise=True,
        )
        try:
            async with asyncio.timeout(seconds):
                async for attempt in retrying:
                    with attempt:
                        on_attempt()
                        return await self._guarded(call, call.service, upload)
        except TimeoutError:
            raise CallError(504, f"{call.service} took longer than {seconds:.3g} s. Try again, or send less.") from None
        raise AssertionError("the last attempt either returns or raises")

    def _pause(self, state: RetryCallState) -> float:
        """Seconds until the next attempt: a random time, but no less than what an overloaded sibling asks for."""
        error = state.outcome.exception() if state.outcome else None
        pause = wait_random_exponential(multiplier=self._patience.pause_seconds, max=2)(state)
        return max(pause, error.retry_after if isinstance(error, OverloadError) else 0)

    def _may_pass(self, error: BaseException) -> bool:
        """Whether to try again: a sibling that asks for longer than that is left to the caller to try again."""
        asked = error.retry_after if isinstance(error, OverloadError) else 0
        return isinstance(error, PassingError) and asked <= self._patience.longest_pause

    async def _guarded(self, call: Call, service: str, upload: BinaryIO | None) -> dict[str, Any]:
        """Make one attempt, unless the sibling has failed too often just now."""
        try:
            with self._breaker(service).calling():
                return await self._attempt(call, service, upload)
        except CircuitBreakerError:
            rest = f"{self._patience.rest_seconds:g} s"
            raise CallError(
                502, f"{call.service} has failed repeatedly and is left alone for {rest}. Try again then."
            ) from None

    def _breaker(self, service: str) -> CircuitBreaker:
        if service not in self._breakers:
            self._breakers[service] = CircuitBreaker(
                fail_max=self._patience.failures,
                reset_timeout=self._patience.rest_seconds,
                exclude=[CallerError, OverloadError, asyncio.CancelledError, GeneratorExit],
                throw_new_error_on_trip=False,
            )
        return self._breakers[service]

    async def _attempt(self, call: Call, service: str, upload: BinaryIO | None) -> dict[str, Any]:
        if self._api_url is None:
            raise CallError(502, f"The address of {call.service} is not known: NOVA_API_URL is not set.")
        url = f"{self._api_url}/{call.service}/{call.operation}"
        with telemetry.call_span(service, "POST", url) as answered:
            response, content = await self._send(call, upload, url)
            answered(response.status_code)
            return _understood(call, response, content)

    async def _send(self, call: Call, upload: BinaryIO | None, url: str) -> tuple[httpx.Response, bytes]:
        request = self._client.build_request(
            "POST",
            url,
            params=dict(call.parameters),
            # Siblings are near: packing costs more than it saves, and unpacking lets a small answer grow without limit.
            headers={"Accept": "*/*", "Accept-Encoding": "identity", **outgoing.headers()},
            json=call.document,
            # The type is left open: the agent has looked at the file, and the sibling looks for itself.
            files={"file": ("upload", UploadReader(upload), "application/octet-stream")}  # type: ignore[dict-item]
            if call.sends_file and upload
            else None,
        )
        try:
            response = await self._client.send(request, stream=True)
            try:
                return response, await _read(response)
            finally:
                await response.aclose()
        except httpx.ConnectTimeout as error:
            raise PassingError(504, f"{call.service} could not be reached in time. Try again.") from error
        except httpx.TimeoutException as error:
            raise CallError(504, f"{call.service} stopped answering. Try again.") from error
        except httpx.TransportError as error:
            raise PassingError(502, f"{call.service} could not be reached. Try again.") from error


async def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    async for piece in response.aiter_raw():
        content += piece
        if len(content) > _MAX_ANSWER_BYTES:
            break  # No sibling's answer is that long; what came so far will not make sense.
    return bytes(content)


def _understood(call: Call, response: httpx.Response, content: bytes) -> dict[str, Any]:
    """Turn a response into a result, or into the failure that it means."""
    document = _document(content)
    if response.status_code in _CALLERS_MISTAKES and document and isinstance(document.get("detail"), str):
        raise CallerError(response.status_code, document["detail"])
    if response.status_code == 503 and (asked := response.headers.get("Retry-After", "")).isdecimal():
        raise OverloadError(f"{call.service} has too much to do. Try again in {asked} s.", float(asked))
    if response.status_code in _PASSING_STATUSES:
        raise PassingError(502, f"{call.service} is not available (it answered {response.status_code}). Try again.")
    if response.status_code != 200:
        raise CallError(502, f"{call.service} failed (it answered {response.status_code}). {_REPORT}")
    if not call.expects and content.startswith(_PNG):
        return {"image": "data:image/png;base64," + base64.b64encode(content).decode("ascii")}
    if call.expects and document and _fits(document, call.expects):
        return document
    raise CallError(502, f"{call.service} answered something that makes no sense. {_REPORT}")


def _fits(document: Mapping[str, Any], expected: Mapping[str, type | UnionType]) -> bool:
    return all(name in document and isinstance(document[name], kind) for name, kind in expected.items())


def _document(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _refuse(constant: str) -> NoReturn:
    """Refuse what Python reads and JSON lacks, such as NaN."""
    raise ValueError(constant)
