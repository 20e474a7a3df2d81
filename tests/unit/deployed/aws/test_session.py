"""What AWS says when it refuses, as one line with the exit code that fits."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from nova_infra.deployed.aws.errors import ServiceError, translated
from nova_infra.errors import AwsError, RefusedError


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no\n  way"}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "kind", "exit_code", "said"),
    [
        (refusal("AccessDenied"), RefusedError, 2, "AWS does not allow x:y: no way: use other credentials"),
        (refusal("AccessDeniedException"), RefusedError, 2, "AWS does not allow x:y"),
        (refusal("ExpiredToken"), AwsError, 3, "credentials: AWS rejects them for x:y: no way: sign in again"),
        (refusal("ExpiredTokenException"), AwsError, 3, "sign in again"),
        (refusal("Throttling"), ServiceError, 3, "AWS: x:y: no way (Throttling)"),
        (NoCredentialsError(), AwsError, 3, "credentials: none found: sign in, or set AWS_PROFILE"),
        (EndpointConnectionError(endpoint_url="https://aws"), AwsError, 3, "check the network and the credentials"),
    ],
)
def test_an_error_says_what_to_do_in_one_line(error, kind, exit_code, said):
    found = translated(error, "x:y")
    assert isinstance(found, kind)
    assert found.exit_code == exit_code
    assert said in str(found)
    assert "\n" not in str(found)
