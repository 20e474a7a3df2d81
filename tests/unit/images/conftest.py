"""An account of AWS whose every service is one client of a test's own."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.deployed.aws.client.session import Aws


@pytest.fixture(scope="session")
def aws_of() -> Callable[[Any], Aws]:
    """An account that answers by one client, such as a stubbed one: aws_of(client) -> Aws."""

    def make(client: Any) -> Aws:
        session = SimpleNamespace(
            create_client=lambda *_, **__: client, get_config_variable=lambda _: client.meta.region_name
        )
        return Aws(session)

    return make
