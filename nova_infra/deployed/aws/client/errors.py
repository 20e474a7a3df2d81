"""Turns failed calls to AWS (throttled, denied, expired credentials) into errors of one line."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

from nova_infra.errors import AwsError, NovaError, PassingError, RefusedError

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
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_THROTTLED = {
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottledException",
    "ThrottlingException",
    "TooManyRequestsException",
    "TooManyUpdates",
    "TransactionInProgressException",
}
SDK_ERRORS = (BotoCoreError, ClientError, ResponseParserError)
"""What the SDK raises when it is called."""

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
_CLOCK = ("Signature expired", "Signature not yet current", "RequestTimeTooSkewed", "RequestInTheFuture")


class ServiceError(AwsError):
    """AWS answered with an error."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class OverloadedError(ServiceError, PassingError):
    """AWS asks for fewer calls, or has failed itself."""


class UnreachableError(PassingError):
    """AWS did not answer."""


class DeniedError(RefusedError):
    """The credentials do not allow a call."""


def throttled(error: Exception) -> bool:
    """Whether AWS refused a call, without doing anything, because there were too many."""
    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in _THROTTLED


def unanswered(error: Exception) -> bool:
    """Whether a call may have been carried out all the same: its answer was lost, or AWS failed while it worked."""
    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500 and not throttled(error)
    return isinstance(error, HTTPClientError | ResponseParserError)


def translated(error: Exception, operation: str) -> NovaError:
    """An error of the SDK in one line: a refusal for a missing permission, an error of AWS for anything else."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        said = " ".join(error.response.get("Error", {}).get("Message", "").split()) or "no message"
        if code in _DENIED:
            return DeniedError(f"AWS does not allow {operation}: {said}: use other credentials, or add the permission")
        if any(sign in (code, said[: len(sign)]) for sign in _CLOCK):
            return AwsError(f"clock: this machine's clock is wrong, and AWS refuses {operation}: {said}: set the clock")
        if code in _EXPIRED:
            return AwsError(f"credentials: AWS rejects them for {operation}: {said}: sign in again")
        kind = OverloadedError if throttled(error) or unanswered(error) else ServiceError
        return kind(f"AWS: {operation}: {said} ({code})", code)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return AwsError("credentials: none found: sign in, or set AWS_PROFILE")
    if isinstance(error, NoRegionError):
        return RefusedError("region: not given: pass --region, or set AWS_REGION")
    if isinstance(error, ResponseParserError):
        return UnreachableError(
            f"AWS: {operation}: something other than AWS answered: check the proxy and AWS_ENDPOINT_URL"
        )
    message = f"AWS: {operation}: {error}: check the network and the credentials, then run the same command again"
    if unanswered(error):
        return UnreachableError(message)
    return AwsError(message)
