"""Calls to AWS: lazily made clients, retries, pages, threads, and errors in one line."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, RefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    WaiterError,
)
from botocore.session import Session, get_session

from nova_infra.errors import NovaError
from nova_infra.operations.errors import AwsError, RefusedError
from nova_infra.operations.side_by_side import THREADS, threads

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Standard retries wait longer from attempt to attempt, at random, and count throttling as worth another one:
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=2 * THREADS,
    user_agent_extra="nova",
)

_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
_EXPIRED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
}


class Aws:
    """One account and region of AWS. Its methods may be called from several threads."""

    def __init__(self, session: Any) -> None:
        """Wrap a session, whose clients are made when they are needed first."""
        self._session = session
        self._clients: dict[tuple[str, str], Any] = {}
        self._making = threading.Lock()
        self._threads = threads()

    @property
    def region(self) -> str:
        """The region of all calls that name no other."""
        return str(self._session.get_config_variable("region"))

    @property
    def partition(self) -> str:
        """``aws``, or that of China or GovCloud."""
        return str(self._session.get_partition_for_region(self.region))

    def client(self, service: str, region: str | None = None) -> Any:
        """The client of a service, made once."""
        key = (service, region or self.region)
        with self._making:  # sessions are not made for threads, clients are
            if key not in self._clients:
                try:
                    self._clients[key] = self._session.create_client(service, region_name=key[1], config=_CONFIG)
                except (BotoCoreError, ValueError) as error:
                    raise translated(error, service) from None
            return self._clients[key]

    def call(self, service: str, operation: str, /, *, region: str | None = None, **arguments: Any) -> dict[str, Any]:
        """Call an operation.

        Args:
            service: Such as ``ecs``.
            operation: Its name in boto3, such as ``describe_services``.
            region: Another region than the environment's.
            arguments: Its arguments.

        Raises:
            ServiceError: AWS answered with an error; its ``code`` says which.
            AwsError: AWS could not be reached.
        """
        try:
            answer: dict[str, Any] = getattr(self.client(service, region), operation)(**arguments)
        except (ClientError, BotoCoreError) as error:
            raise translated(error, f"{service}:{operation}") from None
        return answer

    def pages(self, service: str, operation: str, key: str, /, **arguments: Any) -> Iterator[Any]:
        """All items under a key of a paginated operation's answers."""
        try:
            for page in self.client(service).get_paginator(operation).paginate(**arguments):
                yield from page.get(key, ())
        except (ClientError, BotoCoreError) as error:
            raise translated(error, f"{service}:{operation}") from None

    def wait(self, service: str, waiter: str, config: Mapping[str, int], /, **arguments: Any) -> bool:
        """Wait for what one of the SDK's waiters waits for.

        Returns:
            False where it ended otherwise; the resource's state says how.

        Raises:
            AwsError: AWS could not be asked, or it took too long.
        """
        try:
            self.client(service).get_waiter(waiter).wait(**arguments, WaiterConfig=config)
        except WaiterError as error:
            if failure := error.last_response.get("Error"):
                raise translated(ClientError({"Error": failure}, waiter), f"{service}:{waiter}") from None
            if "Max attempts exceeded" in str(error):
                raise AwsError(f"AWS: {waiter}: has taken too long: look at its events in the console") from None
            return False
        except BotoCoreError as error:
            raise translated(error, f"{service}:{waiter}") from None
        return True

    def each(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """The results of a function for each item, side by side. The function must not use this itself."""
        return list(self._threads.map(function, items))


class ServiceError(AwsError):
    """AWS answered with an error.

    Attributes:
        code: AWS's name for it.
    """

    def __init__(self, message: str, code: str) -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code


class DeniedError(RefusedError):
    """The credentials do not allow a call."""


def translated(error: Exception, operation: str) -> NovaError:
    """An error of the SDK in one line: a refusal for a missing permission, an error of AWS for anything else."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        said = " ".join(error.response.get("Error", {}).get("Message", "").split()) or "no message"
        if code in _DENIED:
            return DeniedError(
                f"AWS does not allow {operation}: {said}: use credentials that may, or add the permission"
            )
        if code in _EXPIRED:
            return AwsError(f"credentials: AWS does not take them for {operation}: {said}: sign in again")
        return ServiceError(f"AWS: {operation}: {said} ({code})", code)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return AwsError("credentials: none found: sign in, or set AWS_PROFILE")
    if isinstance(error, NoRegionError):
        return RefusedError("region: none given: pass --region, or set AWS_REGION")
    return AwsError(
        f"AWS: {operation}: {error}: check the network and the credentials, then run the same command again"
    )


def sign_in(*, region: str, role: str | None = None, account: str | None = None) -> Aws:
    """Use the current credentials, or a role in an environment's account.

    Args:
        region: Region of the environment.
        role: Name of the role to assume there. Default: none, the current credentials are used.
        account: The environment's account, with ``role``.

    Raises:
        DeniedError: The role may not be assumed, and the credentials are of another account.
        AwsError: There are no valid credentials.
    """
    session = get_session()
    session.set_config_variable("region", region)
    if role is None:
        return Aws(session)
    arn = f"arn:{session.get_partition_for_region(region)}:iam::{account}:role/{role}"
    try:
        source = session.get_credentials()
        if source is None:
            raise NoCredentialsError
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=lambda *a, **k: session.create_client(*a, **{"region_name": region, "config": _CONFIG, **k}),
            source_credentials=source,
            role_arn=arn,
            extra_args={"RoleSessionName": _session_name()},
        )
        assumed = fetcher.fetch_credentials()
    except (ClientError, BotoCoreError) as error:
        denied = translated(error, f"sts:AssumeRole of {arn}")
        # Whoever administers the environment's account needs no role there.
        if isinstance(denied, DeniedError) and whoami(session)[0] == account:
            return Aws(session)
        if isinstance(denied, DeniedError):
            raise DeniedError(
                f"{denied}; the role is part of the environment's platform stack: where that was never deployed, "
                "deploy it first, with the account's own credentials (README.md, Deploying to AWS)"
            ) from None
        raise denied from None
    inside = Session()
    inside.set_config_variable("region", region)
    # The role's sessions last an hour; a canary can take longer.
    inside._credentials = RefreshableCredentials.create_from_metadata(
        metadata=assumed, refresh_using=fetcher.fetch_credentials, method="sts-assume-role"
    )
    return Aws(inside)


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
    except (ClientError, BotoCoreError) as error:
        raise translated(error, "sts:GetCallerIdentity") from None
    return str(identity["Account"]), str(identity["Arn"]).rpartition(":")[2]


def _session_name() -> str:
    """What CloudTrail shows beside the role: who runs the command, as far as the machine knows."""
    who = os.environ.get("CODEBUILD_BUILD_ID") or os.environ.get("GITHUB_RUN_ID") or os.environ.get("USER") or "nova"
    return re.sub(r"[^\w+=,.@-]", "-", f"nova-{who}")[:64]
