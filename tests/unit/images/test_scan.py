"""Judging what ECR's scans found, by answers that its API's own model accepts."""

import datetime
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from helpers.exhaustive import one_of_each
from nova_infra.deployed.aws.client.session import Aws
from nova_infra.errors import AwsError, CheckFailedError, RefusedError
from nova_infra.images.accepted_vulnerabilities import Accepted, read_accepted
from nova_infra.images.registry import Registry, StoredImage
from nova_infra.images.scan import check_image

Check = Callable[..., tuple[int, float]]
DIGEST = f"sha256:{'1' * 64}"
IMAGE = StoredImage(DIGEST, '{"schemaVersion": 2}', "application/vnd.oci.image.manifest.v1+json")
TODAY = datetime.date(2026, 11, 24)
NOW = datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC)


def inspector(severity: str, fix: str, name: str = "CVE-2026-1") -> dict[str, Any]:
    package = {"name": "openssl", "version": "3.0.1"} | ({"fixedInVersion": "3.0.2"} if fix == "YES" else {})
    return {
        "severity": severity,
        "fixAvailable": fix,
        "packageVulnerabilityDetails": {"vulnerabilityId": name, "vulnerablePackages": [package]},
    }


def basic(severity: str) -> dict[str, Any]:
    attributes = [{"key": "package_name", "value": "zlib"}, {"key": "package_version", "value": "1.2"}]
    return {"name": "CVE-2026-2", "severity": severity, "attributes": attributes}


def answer(status: str, *, enhanced: list[Any] | None = None, plain: list[Any] | None = None) -> dict[str, Any]:
    response: dict[str, Any] = {"imageScanStatus": {"status": status, "description": "because"}}
    if enhanced is not None:
        response["imageScanFindings"] = {"enhancedFindings": enhanced, "imageScanCompletedAt": NOW}
    if plain is not None:
        response["imageScanFindings"] = {"findings": plain, "imageScanCompletedAt": NOW}
    return response


@pytest.fixture
def check(aws_of: Callable[[Any], Aws]) -> Callable[..., tuple[int, float]]:
    """The verdict on an image whose scan is asked for until it has ended, and how long that took."""
    return partial(_check, aws_of)


def _check(
    aws_of: Callable[[Any], Aws], *answers: dict[str, Any] | None, accepted: tuple[Accepted, ...] = ()
) -> tuple[int, float]:
    client = boto3.client("ecr", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    waited: list[float] = []
    with Stubber(client) as stubber:
        for each in answers:
            if each is None:
                stubber.add_client_error("describe_image_scan_findings", "ScanNotFoundException")
            else:
                wanted = {"repositoryName": "nova/carts-service", "imageId": {"imageDigest": DIGEST}}
                stubber.add_response("describe_image_scan_findings", each, wanted)
        registry = Registry("nova/carts-service", aws=aws_of(client))
        left = check_image(
            registry, IMAGE, service="carts-service", accepted=accepted, today=TODAY, pause=waited.append
        )
        stubber.assert_no_pending_responses()
    return left, sum(waited)


def accept(**change: Any) -> tuple[Accepted, ...]:
    fields = {"id": "CVE-2026-1", "reason": "the code is never reached", "expires": TODAY}
    return (Accepted.model_validate(fields | change),)


def test_an_image_without_serious_findings_passes(check: Check) -> None:
    assert check(answer("ACTIVE", enhanced=[inspector("MEDIUM", "YES")])) == (0, 0)


@pytest.mark.parametrize("severity", ["HIGH", "CRITICAL"])
@pytest.mark.parametrize("fix", ["YES", "PARTIAL"])
def test_a_serious_finding_with_a_fix_is_named_with_what_fixes_it(check: Check, severity: str, fix: str) -> None:
    with pytest.raises(CheckFailedError) as failed:
        check(answer("ACTIVE", enhanced=[inspector(severity, fix), inspector("LOW", "YES")]))
    package = "openssl 3.0.1 → 3.0.2" if fix == "YES" else "openssl 3.0.1"
    assert str(failed.value) == (
        f"nova/carts-service: CVE-2026-1 ({severity}) in {package}: update the lock or the base image, "
        "or have it accepted for a while in accepted-vulnerabilities.toml"
    )
    assert failed.value.exit_code == 1


def test_a_serious_finding_without_a_fix_is_counted_and_passes(check: Check) -> None:
    assert check(answer("ACTIVE", enhanced=[inspector("CRITICAL", "NO")])) == (1, 0)


def test_a_basic_scan_cannot_tell_fixes_so_every_serious_finding_counts(check: Check) -> None:
    with pytest.raises(CheckFailedError, match=r"CVE-2026-2 \(HIGH\) in zlib 1.2"):
        check(answer("COMPLETE", plain=[basic("HIGH"), basic("MEDIUM")]))


@pytest.mark.parametrize("services", [(), ("carts-service",)])
def test_a_finding_is_accepted_until_the_day_that_the_file_names(check: Check, services: tuple[str, ...]) -> None:
    found = answer("ACTIVE", enhanced=[inspector("HIGH", "YES")])
    assert check(found, accepted=accept(services=services)) == (1, 0)
    yesterday = TODAY - datetime.timedelta(days=1)
    with pytest.raises(CheckFailedError, match="has expired: fix it, or have it reviewed again"):
        check(found, accepted=accept(services=services, expires=yesterday))


@pytest.mark.parametrize("change", [{"services": ("store-service",)}, {"id": "CVE-2026-9"}])
def test_an_exception_holds_for_its_own_finding_and_services_only(check: Check, change: dict[str, Any]) -> None:
    with pytest.raises(CheckFailedError, match="CVE-2026-1"):
        check(answer("ACTIVE", enhanced=[inspector("HIGH", "YES")]), accepted=accept(**change))


def test_it_waits_until_the_scan_has_ended(check: Check) -> None:
    assert check(None, answer("PENDING"), answer("ACTIVE"), answer("ACTIVE", enhanced=[])) == (0, 30)


def test_a_scan_that_does_not_end_is_an_error(check: Check) -> None:
    with pytest.raises(AwsError, match="has no scan result after 15 minutes"):
        check(*[answer("PENDING")] * 91)


@pytest.mark.parametrize("status", one_of_each(["FAILED", "UNSUPPORTED_IMAGE", "FINDINGS_UNAVAILABLE"]))
def test_an_image_that_cannot_be_scanned_cannot_be_deployed(check: Check, status: str) -> None:
    with pytest.raises(RefusedError, match=f"was not scanned: {status}: because: it cannot be deployed"):
        check(answer(status))


def test_an_image_in_use_for_long_is_judged_by_its_last_scan(check: Check) -> None:
    assert check(answer("SCAN_ELIGIBILITY_EXPIRED", enhanced=[])) == (0, 0)


def test_the_projects_own_exceptions_can_be_read() -> None:
    read_accepted(Path(__file__).parents[3])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[accepted]]\nid = 'CVE-1'\nreason = 'never reached here'", "accepted.0.expires: Field required"),
        ("[[accepted]]\nid = 'CVE-1'\nexpires = 2026-12-01", "accepted.0.reason: Field required"),
        ("[[acepted]]\nid = 'CVE-1'", "acepted: Extra inputs are not permitted"),
        ("[[accepted", "is not valid TOML"),
    ],
)
def test_a_file_of_exceptions_that_is_not_usable_is_refused_in_one_line(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "accepted-vulnerabilities.toml").write_text(text)
    with pytest.raises(RefusedError) as refused:
        read_accepted(tmp_path)
    [line] = str(refused.value).splitlines()
    assert line.startswith(f"accepted-vulnerabilities.toml: {fault}")
