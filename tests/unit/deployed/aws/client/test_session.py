"""What AWS says when it refuses, as one line with the exit code that fits."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from nova_infra.deployed.aws.client.errors import ServiceError, translated
from nova_infra.errors import AwsError, RefusedError


def refusal(code: str, message: str = "no\n  way") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "kind", "exit_code", "said"),
    [
        (refusal("AccessDenied"), RefusedError, 2, "AWS does not allow x:y: no way: use other credentials"),
        (refusal("AccessDeniedException"), RefusedError, 2, "AWS does not allow x:y"),
        (refusal("ExpiredToken"), AwsError, 3, "credentials: AWS rejects them for x:y: no way: sign in again"),
        (refusal("ExpiredTokenException"), AwsError, 3, "sign in again"),
        (refusal("RequestTimeTooSkewed"), AwsError, 3, "clock: this machine's clock is wrong, and AWS refuses x:y"),
        (refusal("SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2"), AwsError, 3, "set the clock"),
        (refusal("InvalidSignatureException", "Signature not yet current: 2"), AwsError, 3, "set the clock"),
        (refusal("SignatureDoesNotMatch", "The request signature we calculated"), AwsError, 3, "sign in again"),
        (refusal("Throttling"), ServiceError, 3, "AWS: x:y: no way (Throttling)"),
        (NoCredentialsError(), AwsError, 3, "credentials: none found: sign in, or set AWS_PROFILE"),
        (EndpointConnectionError(endpoint_url="https://aws"), AwsError, 3, "check the network and the credentials"),
    ],
)
def test_an_error_says_what_to_do_in_one_line(
    error: Exception, kind: type[Exception], exit_code: int, said: str
) -> None:
    found = translated(error, "x:y")
    assert isinstance(found, kind)
    assert found.exit_code == exit_code
    assert said in str(found)
    assert "\n" not in str(found)
