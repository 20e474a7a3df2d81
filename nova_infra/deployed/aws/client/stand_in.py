"""A client for a server that stands in for AWS on this machine, such as moto's."""

from typing import Any

import botocore.config
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

REGION = "us-east-1"
KEY = "rehearsal"
"""Access key and secret key: the server takes any."""


class StandInAws:
    """A server of moto's, asked as AWS is. No credentials of this machine are read or sent."""

    def __init__(self, endpoint: str, region: str = REGION) -> None:
        self.endpoint = endpoint
        self.region = region
        self._session = botocore.session.Session()
        self._clients: dict[str, Any] = {}

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one call."""
        if service not in self._clients:
            self._clients[service] = self._session.create_client(
                service,
                region_name=self.region,
                endpoint_url=self.endpoint,
                aws_access_key_id=KEY,
                aws_secret_access_key=KEY,
                config=botocore.config.Config(retries={"max_attempts": 1}, proxies={}),
            )
        answer: dict[str, Any] = getattr(self._clients[service], operation)(**parameters)
        return answer

    def attempt(self, service: str, operation: str, **parameters: Any) -> bool:
        """Whether a call succeeded that may be refused, or find the server ended."""
        try:
            self.call(service, operation, **parameters)
        except (ClientError, BotoCoreError):
            return False
        return True
