"""The options of ``nova import copilot``, by environment."""

import pytest

from nova_infra.errors import NovaError
from nova_infra.scaffold.copilot.project import placed


@pytest.mark.parametrize(
    ("account", "regions", "lines"),
    [
        ("prod=12", ["eu-west-1"], "--account '12' is not an AWS account: give its 12 digits"),
        ("900000000001", ["eu-west-1"], "--account: names no environment: write it as ENVIRONMENT=ACCOUNT"),
        (
            "prod=900000000001",
            ["mars"],
            "--region 'mars' is not an AWS region: write one such as us-east-1 or ap-northeast-1",
        ),
        (
            "prod=900000000001",
            ["eu-south-1", "us-west-2"],
            "--region us-west-2: everything has eu-south-1 already: give one of them",
        ),
        (
            "900000000001",
            ["mars", "qa=venus", "qa=eu-south-1", "qa=us-west-2", "mars"],
            "--account: names no environment: write it as ENVIRONMENT=ACCOUNT\n"
            "--region 'mars' is not an AWS region: write one such as us-east-1 or ap-northeast-1\n"
            "--region 'venus' is not an AWS region: write one such as us-east-1 or ap-northeast-1\n"
            "--region qa=us-west-2: qa has eu-south-1 already: give one of them",
        ),
    ],
)
def test_each_option_that_cannot_be_used_is_a_line_that_begins_with_it(
    account: str, regions: list[str], lines: str
) -> None:
    assert placed(["qa=900000000001"], ["eu-south-1"])["regions"] == {"": "eu-south-1"}
    with pytest.raises(NovaError) as raised:
        placed([account], regions)
    assert str(raised.value) == lines


def test_the_same_value_twice_is_one() -> None:
    given = placed(["qa=900000000001", "qa=900000000001"], ["eu-south-1", "=eu-south-1"])
    assert given == {"accounts": {"qa": "900000000001"}, "regions": {"": "eu-south-1"}}
