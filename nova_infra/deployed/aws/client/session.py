"""botocore's clients: credentials, assumed roles, retries of throttled calls, pages, threads."""

from __future__ import annotations

import contextlib
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, RefreshableCredentials
from botocore.exceptions import NoCredentialsError
from botocore.session import Session, get_session

from nova_infra.deployed.aws.client.errors import SDK_ERRORS, DeniedError, throttled, translated, unanswered
from nova_infra.errors import NovaError, RefusedError
from nova_infra.machine.parallel import THREADS, threads

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Adaptive retries wait longer from attempt to attempt, at random, and slow all calls of a client down to the rate that
# AWS takes: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_CONFIG = Config(
    retries={"mode": "adaptive", "total_max_attempts": 10},
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=2 * THREADS,
    tcp_keepalive=True,
    user_agent_extra="nova",
)
_ONCE = _CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))

WRITES = 8
"""How often a call that changes something is tried, while it is throttled or its answer is lost without effect."""

_REGION = re.compile(r"[a-z]{2,8}(-[a-z]{2,16}){1,3}-[0-9]{1,2}")
"""The shape of a region's name, not a list of them: a newer region than the SDK's must not stop a rollback."""

_PRECISION = timedelta(seconds=3)
"""A Date header has whole seconds, and the answer takes a while."""


class Aws:
    """One account and region of AWS. Its methods may be called from several threads."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._clients: dict[tuple[str, str, bool], Any] = {}
        self._skew = timedelta()
        self._making = threading.Lock()
        self._threads = threads()

    @property
    def region(self) -> str:
        """The region of all calls that name no other."""
        return str(self._session.get_config_variable("region"))

    def now(self) -> datetime:
        """The time by AWS's clock, UTC, as the latest answer gave it: this machine's clock may be wrong."""
        return datetime.now(UTC) + self._skew

    def _see_clock(self, http_response: Any, **_: Any) -> None:
        if date := http_response.headers.get("Date"):
            with contextlib.suppress(ValueError):
                skew = parsedate_to_datetime(date) - datetime.now(UTC)
                self._skew = skew if abs(skew) > _PRECISION else timedelta()

    @property
    def partition(self) -> str:
        """``aws``, or that of China or GovCloud."""
        return str(self._session.get_partition_for_region(self.region))

    def client(self, service: str, region: str | None = None, config: Any = _CONFIG) -> Any:
        """The client of a service, made once."""
        key = (service, region or self.region, config is _ONCE)
        with self._making:  # sessions are not made for threads, clients are
            if key not in self._clients:
                try:
                    self._clients[key] = self._session.create_client(service, region_name=key[1], config=config)
                    self._clients[key].meta.events.register("after-call", self._see_clock)
                except (*SDK_ERRORS, ValueError) as error:
                    raise translated(error, service) from None
            return self._clients[key]

    def call(self, service: str, operation: str, /, *, region: str | None = None, **arguments: Any) -> dict[str, Any]:
        """Call an operation.

        Raises:
            ServiceError: AWS answered with an error; its ``code`` says which.
            AwsError: AWS could not be reached.
        """
        try:
            answer: dict[str, Any] = getattr(self.client(service, region), operation)(**arguments)
        except SDK_ERRORS as error:
            raise translated(error, f"{service}:{operation}") from None
        return answer

    def pages(self, service: str, operation: str, key: str, /, **arguments: Any) -> Iterator[Any]:
        """All items under a key of a paginated operation's answers."""
        try:
            for page in self.client(service).get_paginator(operation).paginate(**arguments):
                yield from page.get(key, ())
        except SDK_ERRORS as error:
            raise translated(error, f"{service}:{operation}") from None

    def write(
        self, service: str, operation: str, /, *, done: Callable[[], bool], **arguments: Any
    ) -> dict[str, Any] | None:
        """Call an operation that changes something: once, however often its answer is lost.

        The SDK repeats a call whose answer is lost, and the second one then meets what the first one did. So nothing is
        repeated here before it is known that the first call changed nothing.

        Args:
            done: Looks whether the call has had its effect.

        Returns:
            The answer; None where it was lost, and the call has had its effect.
        """
        lost = False
        for attempt in range(1, WRITES + 1):
            try:
                answer: dict[str, Any] = getattr(self.client(service, config=_ONCE), operation)(**arguments)
                return answer
            except SDK_ERRORS as error:
                lost = lost or unanswered(error)
                if lost and _seen(done):
                    return None
                if attempt == WRITES or not (throttled(error) or unanswered(error)):
                    raise translated(error, f"{service}:{operation}") from None
            pause(random.uniform(0.5, 1) * min(0.3 * 2**attempt, 8))  # noqa: S311  spreads calls, hides nothing
        raise AssertionError("the last attempt returns or raises")

    def assumed(self, role_arn: str) -> Aws:
        """The same region by a role, for an hour at most."""
        answer = self.call("sts", "assume_role", RoleArn=role_arn, RoleSessionName=_session_name())["Credentials"]
        inside = Session()
        inside.set_config_variable("region", self.region)
        inside.set_credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
        return Aws(inside)

    def each(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """The results of a function for each item, side by side. The function must not use this itself."""
        return list(self._threads.map(function, items))


def pause(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def _seen(done: Callable[[], bool]) -> bool:
    """Whether a call has had its effect; False where that is not known either."""
    try:
        return done()
    except NovaError:
        return False


def sign_in(*, region: str, role: str | None = None, account: str | None = None) -> Aws:
    """Use the current credentials, or a role in an environment's account.

    Args:
        role: Name of the role to assume there. Default: none, the current credentials are used.
        account: The environment's account, with ``role``.

    Raises:
        RefusedError: No region has that name.
        DeniedError: The role may not be assumed, and the credentials are of another account.
        AwsError: There are no valid credentials.
    """
    if not _REGION.fullmatch(region):
        raise RefusedError(f"region: {region!r} is not the name of an AWS region: write one such as us-east-1")
    session = get_session()
    session.set_config_variable("region", region)
    if role is None:
        return Aws(session)
    arn = f"role {role}"
    try:
        arn = f"arn:{session.get_partition_for_region(region)}:iam::{account}:role/{role}"
        credentials = _credentials(session, region, arn)
    except SDK_ERRORS as error:
        denied = translated(error, f"sts:AssumeRole of {arn}")
        # An administrator of the environment's account needs no role there.
        if isinstance(denied, DeniedError) and whoami(session)[0] == account:
            return Aws(session)
        if isinstance(denied, DeniedError):
            raise DeniedError(
                f"{denied}; the role is part of the environment's platform stack: if that was never deployed, "
                "deploy it first, with the account's own credentials (README.md, Deploying to AWS)"
            ) from None
        raise denied from None
    inside = Session()
    inside.set_config_variable("region", region)
    inside._credentials = credentials
    return Aws(inside)


def _credentials(session: Any, region: str, role_arn: str) -> Any:
    """A role's credentials, which renew themselves: its sessions last an hour, and a canary can take longer."""
    source = session.get_credentials()
    if source is None:
        raise NoCredentialsError
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=lambda *a, **k: session.create_client(*a, **{"region_name": region, "config": _CONFIG, **k}),
        source_credentials=source,
        role_arn=role_arn,
        extra_args={"RoleSessionName": _session_name()},
    )
    return RefreshableCredentials.create_from_metadata(
        metadata=fetcher.fetch_credentials(), refresh_using=fetcher.fetch_credentials, method="sts-assume-role"
    )


def configured_region() -> str | None:
    """The region of the environment or of the profile, if one of them names any."""
    region: str | None = get_session().get_config_variable("region")
    return region


def whoami(session: Any = None) -> tuple[str, str]:
    """Account and name of the current credentials, before any role is assumed.

    Raises:
        AwsError: There are none, or they are not valid.
    """
    session = session or get_session()
    try:
        region = session.get_config_variable("region") or "us-east-1"
        identity = session.create_client("sts", region_name=region, config=_CONFIG).get_caller_identity()
    except SDK_ERRORS as error:
        raise translated(error, "sts:GetCallerIdentity") from None
    return str(identity["Account"]), str(identity["Arn"]).rpartition(":")[2]


def _session_name() -> str:
    """What CloudTrail shows beside the role: who runs the command, as far as the machine knows."""
    who = os.environ.get("CODEBUILD_BUILD_ID") or os.environ.get("GITHUB_RUN_ID") or os.environ.get("USER") or "nova"
    return re.sub(r"[^\w+=,.@-]", "-", f"nova-{who}")[:64]
