"""The options of ``nova import copilot``, by environment."""

import pytest

from nova_infra.errors import NovaError
from nova_infra.scaffold.copilot.options import placed


def test_each_option_that_cannot_be_used_is_a_line_that_begins_with_it() -> None:
    assert placed(["prod=900000000001"], ["eu-west-1"])["regions"] == {"": "eu-west-1"}
    with pytest.raises(NovaError) as raised:
        placed(["prod=12", "900000000001"], ["mars"])
    assert str(raised.value).splitlines() == [
        "--account '12' is not an AWS account: give its 12 digits",
        "--region 'mars' is not an AWS region: write one such as us-east-1 or ap-northeast-1",
        "--account: names no environment: write it as ENVIRONMENT=ACCOUNT",
    ]
