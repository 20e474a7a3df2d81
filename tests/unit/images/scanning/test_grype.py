"""What Grype prints, as findings that are judged like those of the registry's own scan."""

import datetime
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from nova_infra.errors import AwsError
from nova_infra.images.accepted_vulnerabilities import Accepted
from nova_infra.images.scan import Vulnerability, refusals
from nova_infra.images.scanning.grype import scan_archive

SCANNER = f"ghcr.io/anchore/grype:v0.116.0@sha256:{'f' * 64}"
TODAY = datetime.date(2026, 11, 24)


def match(name: str, severity: str, package: str, fix: dict[str, Any] | None, *related: str) -> dict[str, Any]:
    """One match, with the keys that matter, as Grype's JSON has them."""
    package_name, _, version = package.partition(" ")
    return {
        "vulnerability": {"id": name, "severity": severity, **({"fix": fix} if fix is not None else {})},
        "relatedVulnerabilities": [{"id": each} for each in related],
        "artifact": {"name": package_name, "version": version, "type": "python"},
    }


FIXED = {"versions": ["2.32.4"], "state": "fixed"}
REPORT = {
    "matches": [
        match("GHSA-9hjg-9r4m-mvj7", "High", "requests 2.32.3", FIXED, "CVE-2024-47081"),
        match("GHSA-9hjg-9r4m-mvj7", "High", "requests-copy 2.32.3", {"versions": [], "state": "not-fixed"}),
        match("CVE-2025-1", "Critical", "libc6 2.36", {"versions": [], "state": "wont-fix"}),
        match("CVE-2025-2", "High", "zlib 1.3", {"versions": [], "state": "unknown"}),
        match("CVE-2025-3", "Medium", "tar 1.34", FIXED),
        match("CVE-2025-4", "Critical", "perl 5.36", None),
    ]
}


def scan(said: str) -> tuple[list[Vulnerability], tuple[str, ...]]:
    called: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch, "image.tar")
        archive.touch(mode=0o600)

        def run(arguments: tuple[str, ...]) -> str:
            # It is root with no capability, and this user is none.
            assert (archive.parent.stat().st_mode & 0o777, archive.stat().st_mode & 0o777) == (0o755, 0o644)
            called.append(tuple(each.replace(scratch, "/tmp/x") for each in arguments))
            return said

        found = scan_archive(archive, "oci-archive", scanner=SCANNER, run=run)
    return found, called[0]


def test_each_serious_vulnerability_is_one_finding_with_its_packages_and_its_other_names() -> None:
    found, _ = scan(json.dumps(REPORT))
    assert found == [
        Vulnerability(
            "GHSA-9hjg-9r4m-mvj7",
            "HIGH",
            ("requests 2.32.3 → 2.32.4", "requests-copy 2.32.3"),
            fixable=True,
            aliases=("CVE-2024-47081",),
        ),
        Vulnerability("CVE-2025-1", "CRITICAL", ("libc6 2.36",), fixable=False),
        Vulnerability("CVE-2025-2", "HIGH", ("zlib 1.3",), fixable=True),  # not known
        Vulnerability("CVE-2025-4", "CRITICAL", ("perl 5.36",), fixable=True),
    ]


def test_the_scanner_gets_the_file_alone_to_read_and_no_capability() -> None:
    _, called = scan(json.dumps(REPORT))
    assert called == (
        *("run", "--rm", "--cap-drop=all", "--volume=/tmp/x:/scan:ro", SCANNER),
        *("oci-archive:/scan/image.tar", "--output=json", "--quiet"),
    )


@pytest.mark.parametrize("said", ["", "no space left", "[]", "{}", '{"matches": [{}]}'])
def test_what_is_no_report_lets_no_image_pass(said: str) -> None:
    with pytest.raises(AwsError, match=r"ghcr.io/anchore/grype:v0.116.0: did not print its findings"):
        scan(said)


def accepted(name: str, until: datetime.date, *services: str) -> Accepted:
    return Accepted(id=name, reason="nothing reaches it", expires=until, services=services)


def refused(*entries: Accepted) -> list[str]:
    found, _ = scan(json.dumps(REPORT))
    lines = refusals(found, "carts", service="carts", accepted=entries, today=TODAY)
    return [line.partition(" (")[0].removeprefix("carts: ") for line in lines]


def test_what_has_no_fix_passes_and_an_exception_counts_by_either_name_until_its_day() -> None:
    ours, zlib, perl = "GHSA-9hjg-9r4m-mvj7", "CVE-2025-2", "CVE-2025-4"
    assert refused() == [ours, zlib, perl]
    assert refused(accepted("CVE-2024-47081", TODAY)) == [zlib, perl]
    assert refused(accepted(ours, TODAY, "carts"), accepted(zlib, TODAY, "store")) == [zlib, perl]
    assert refused(accepted("CVE-2024-47081", TODAY - datetime.timedelta(days=1))) == [ours, zlib, perl]


def test_an_exception_that_has_expired_says_so_whichever_name_it_has() -> None:
    found, _ = scan(json.dumps(REPORT))
    old = accepted("CVE-2024-47081", TODAY - datetime.timedelta(days=1))
    [line, *others] = refusals(found, "carts", service="carts", accepted=[old], today=TODAY)
    assert line.endswith("its entry in accepted-vulnerabilities.toml has expired: fix it, or have it reviewed again")
    assert all("update the lock or the base image" in other for other in others)
