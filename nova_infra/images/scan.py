"""Decides which vulnerabilities refuse an image: serious, with a fix, and accepted by nobody or no longer.

Both delivery engines judge by the same two scans: one before an image is pushed (``scanning/``), and ECR's own, of what
is in the registry.
"""

import datetime
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nova_infra.errors import AwsError, CheckFailedError, RefusedError
from nova_infra.images.accepted_vulnerabilities import EXCEPTIONS_FILE, Accepted
from nova_infra.images.registry import Registry, StoredImage

SERIOUS = ("CRITICAL", "HIGH")

# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanStatus.html
_UNDER_WAY = {"PENDING", "IN_PROGRESS", "ACTIVE"}
_POLL_SECONDS = 10.0
_PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class Vulnerability:
    """One vulnerability of an image.

    Attributes:
        packages: Each affected package with its version and, where there is one, the version with the fix.
        fixable: Whether a fix exists. A scan that cannot tell counts as yes.
        aliases: What else it is known by, such as a CVE for a GHSA.
    """

    id: str
    severity: str
    packages: tuple[str, ...]
    fixable: bool
    aliases: tuple[str, ...] = ()


def check_image(
    registry: Registry,
    image: StoredImage,
    *,
    service: str,
    accepted: Sequence[Accepted],
    today: datetime.date,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Wait until an image has been scanned, and judge it.

    Args:
        today: The day on which they must not have expired.
        pause: Waits for a number of seconds; ECR does not notify the build when a scan has ended.

    Returns:
        The number of serious vulnerabilities that are accepted or have no fix.

    Raises:
        CheckFailedError: The image has serious vulnerabilities: one line for each.
        RefusedError: It cannot be scanned, or the registry refuses.
        AwsError: The scan did not end in time, or the registry was not reached.
    """
    findings = [
        finding
        for digest in image.runnable_digests()
        for finding in _findings(registry, digest, pause=pause)
        if finding.severity in SERIOUS
    ]
    if lines := refusals(findings, registry.name, service=service, accepted=accepted, today=today):
        raise CheckFailedError("\n".join(lines))
    return len(findings)


def refusals(
    findings: Iterable[Vulnerability], name: str, *, service: str, accepted: Sequence[Accepted], today: datetime.date
) -> list[str]:
    """A line for each serious vulnerability that keeps an image from being deployed: it has a fix, and nobody took it.

    Args:
        name: What the image is called in the lines.
    """
    expired = {each.id for each in accepted if each.expires < today}
    return [
        _line(name, finding, not expired.isdisjoint((finding.id, *finding.aliases)))
        for finding in findings
        if finding.severity in SERIOUS and finding.fixable and not _is_accepted(finding, service, accepted, today)
    ]


def _findings(registry: Registry, digest: str, *, pause: Callable[[float], None]) -> Iterable[Vulnerability]:
    waited = 0.0
    while True:
        scan = registry.scan(digest)
        if scan is not None and (scan["complete"] or scan["status"].get("status") == "COMPLETE"):
            return [_from_inspector(each) for each in scan["enhanced"]] + [_from_basic(each) for each in scan["basic"]]
        status = scan["status"].get("status") if scan is not None else "PENDING"
        if status not in _UNDER_WAY:
            assert scan is not None
            said = scan["status"].get("description") or "no reason given"
            raise RefusedError(
                f"{registry.name}@{digest}: was not scanned: {status}: {said}: "
                "it cannot be deployed until a scan succeeds: scan it again"
            )
        if waited >= _PATIENCE_SECONDS:
            raise AwsError(
                f"{registry.name}@{digest}: has no scan result after {waited / 60:.0f} minutes: "
                "check that the registry scans on push, and run the command again"
            )
        pause(_POLL_SECONDS)
        waited += _POLL_SECONDS


def _from_inspector(finding: dict[str, Any]) -> Vulnerability:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_EnhancedImageScanFinding.html."""
    details = finding.get("packageVulnerabilityDetails", {})
    packages = tuple(
        f"{each.get('name')} {each.get('version')}"
        + (f" → {fix}" if (fix := each.get("fixedInVersion")) not in (None, "NotAvailable") else "")
        for each in details.get("vulnerablePackages", ())
    )
    # "PARTIAL": for some of the packages. Not said: taken for a yes, because a finding must not pass by accident.
    fixable = finding.get("fixAvailable", "YES") != "NO"
    return Vulnerability(details.get("vulnerabilityId", "unknown"), finding.get("severity", "HIGH"), packages, fixable)


def _from_basic(finding: dict[str, Any]) -> Vulnerability:
    """https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanFinding.html: says nothing of fixes."""
    attributes = {each["key"]: each.get("value", "") for each in finding.get("attributes", ())}
    package = f"{attributes.get('package_name', 'a package')} {attributes.get('package_version', '')}".strip()
    return Vulnerability(finding.get("name", "unknown"), finding.get("severity", "HIGH"), (package,), fixable=True)


def _is_accepted(finding: Vulnerability, service: str, accepted: Iterable[Accepted], today: datetime.date) -> bool:
    return any(
        each.id in (finding.id, *finding.aliases)
        and today <= each.expires
        and (not each.services or service in each.services)
        for each in accepted
    )


def _line(name: str, finding: Vulnerability, expired: bool) -> str:
    remedy = (
        f"its entry in {EXCEPTIONS_FILE} has expired: fix it, or have it reviewed again"
        if expired
        else "update the lock or the base image, or have it accepted for a while in " + EXCEPTIONS_FILE
    )
    return f"{name}: {finding.id} ({finding.severity}) in {', '.join(finding.packages)}: {remedy}"
