"""An account as the doctor asks it."""

from pathlib import Path
from typing import Any

from helpers.pages import Paged
from nova_infra.deployed.aws.client.errors import DeniedError, ServiceError
from nova_infra.errors import NovaError
from nova_infra.operations.doctor.check import Check

ROOT = Path(__file__).parents[2]


TOOLCHAIN, DEV = "444444444444", "111111111111"


def missing(code: str) -> ServiceError:
    return ServiceError(f"AWS: not there ({code})", code)


# As Route 53 answers for a zone of another account, and for one that the caller may not look at.
ANOTHERS = DeniedError(
    "AWS does not allow GetHostedZone: User: x is not authorized to access this resource: use others"
)
FORBIDDEN = DeniedError("AWS does not allow GetHostedZone: User: x is not authorized to perform: route53:GetHostedZone")


def parameter(value: str) -> dict[str, Any]:
    return {"Parameter": {"Value": value}}


def stack(trusted: str) -> dict[str, Any]:
    return {
        "Stacks": [
            {
                "EnableTerminationProtection": True,
                "Parameters": [{"ParameterKey": "TrustedAccounts", "ParameterValue": trusted}],
            }
        ]
    }


GOOD: dict[str, Any] = {
    "get_parameter": parameter("31"),
    "describe_stacks": stack(f"555555555555, {TOOLCHAIN}"),
    "get_connection": {"Connection": {"ConnectionStatus": "AVAILABLE"}},
    "list_images": {"imageIds": [{"imageTag": "a"}]},
    "get_hosted_zone": {"HostedZone": {"Name": "nova.example.com.", "Config": {"PrivateZone": False}}},
    "describe_secret": {},
    "get_service_quota": {"Quota": {"Value": 100.0}},
    "describe_addresses": {"Addresses": []},
    "describe_vpcs": {"Vpcs": []},
    "list_service_quotas": {
        "Quotas": [
            {"QuotaName": "Build projects", "QuotaCode": "L-1", "Value": 5000.0},
            {"QuotaName": "Concurrently running builds for Linux/Small environment", "QuotaCode": "L-2", "Value": 60.0},
        ]
    },
}


class Account(Paged):
    """Answers every operation with what a test says."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers
        self.calls: list[tuple[str, str, str | None, dict[str, Any]]] = []

    def call(self, service: str, operation: str, /, *, region: str | None = None, **arguments: Any) -> dict[str, Any]:
        self.calls.append((service, operation, region, arguments))
        answer = self._answers[operation]
        if isinstance(answer, NovaError):
            raise answer
        found: dict[str, Any] = answer
        return found


def faults(found: dict[str, list[Check]], part: str) -> list[tuple[str, str]]:
    return [(check.what, check.remedy) for check in found[part] if check.right is False]
