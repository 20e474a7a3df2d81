"""The options of ``nova import copilot``, by environment."""

import pytest

from nova_infra.errors import NovaError
from nova_infra.scaffold.copilot.options import placed


@pytest.mark.parametrize(
    ("account", "regions", "line"),
    [
        ("prod=12", ["eu-west-1"], "--account '12' is not an AWS account: give its 12 digits"),
        ("900000000001", ["eu-west-1"], "--account: names no environment: write it as ENVIRONMENT=ACCOUNT"),
        ("prod=900000000001", ["mars"], "--region 'mars' is not an AWS region: write one such as us-east-1"),
        (
            "prod=900000000001",
            ["eu-south-1", "us-west-2"],
            "--region us-west-2: everything has eu-south-1 already: give one of them",
        ),
    ],
)
def test_an_option_that_cannot_be_used_is_a_line_that_begins_with_it(
    account: str, regions: list[str], line: str
) -> None:
    assert placed(["qa=900000000001"], ["eu-south-1"])["regions"] == {"": "eu-south-1"}
    with pytest.raises(NovaError) as raised:
        placed([account], regions)
    assert str(raised.value).startswith(line)
