"""Waiting for the registry's signature of what was pushed."""

from typing import Any

import pytest

from nova_infra.errors import AwsError, NovaError, RefusedError
from nova_infra.images.registry import Registry, StoredImage
from nova_infra.images.signing import wait_for_signature

IMAGE = StoredImage(f"sha256:{'a' * 64}", "{}", None)


class Aws:
    """Answers the question for the status of a signature with one answer after the other, and the last one again."""

    region = "us-east-1"

    def __init__(self, *answers: list[dict[str, str]]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        assert (service, operation) == ("ecr", "describe_image_signing_status")
        self.asked.append(arguments)
        return {"signingStatuses": self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]}


def wait(*answers: list[dict[str, str]]) -> tuple[Aws, list[float]]:
    aws, paused = Aws(*answers), list[float]()
    wait_for_signature(Registry("nova/carts-service", aws=aws), IMAGE, pause=paused.append)  # type: ignore[arg-type]
    return aws, paused


def test_an_image_is_signed_when_every_profile_has_signed_it() -> None:
    aws, paused = wait([], [{"status": "COMPLETE"}, {"status": "IN_PROGRESS"}], [{"status": "COMPLETE"}] * 2)
    assert aws.asked[0] == {"repositoryName": "nova/carts-service", "imageId": {"imageDigest": IMAGE.digest}}
    assert len(paused) == 2


def test_a_signature_that_failed_says_why_at_once() -> None:
    with pytest.raises(RefusedError, match=r"nova/carts-service@sha256:a+: was not signed: AccessDenied: let the role"):
        wait([{"status": "COMPLETE"}, {"status": "FAILED", "failureReason": "AccessDenied"}])


@pytest.mark.parametrize(
    ("statuses", "kind", "said"),
    [
        ([], RefusedError, "is not signed: the registry signs what is pushed after NovaRegistryStack was deployed"),
        ([{"status": "IN_PROGRESS"}], AwsError, "is not signed after 5 minutes: run the command again"),
    ],
)
def test_one_that_never_comes_is_not_waited_for_longer(
    statuses: list[dict[str, str]], kind: type[NovaError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        wait(statuses)
