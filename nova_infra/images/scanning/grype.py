"""Scans an image before it is pushed, by Grype in a container; `config/builders.Dockerfile` pins which.

The registry scans what it holds, too, and goes on doing so; but what is there can be pulled. The scanner gets the image
as a file, and no credentials; it fetches the vulnerabilities that are known today.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from nova_infra.errors import AwsError
from nova_infra.images.scan import Vulnerability

Kind = Literal["oci-archive", "docker-archive"]

_MOUNTED = "/scan"
# https://github.com/anchore/grype: of its severities those that the registry's scans know.
_SEVERITIES = {"Critical": "CRITICAL", "High": "HIGH"}


def scan_archive(
    archive: Path, kind: Kind, *, scanner: str, run: Callable[[tuple[str, ...]], str]
) -> list[Vulnerability]:
    """The serious vulnerabilities of an image.

    Args:
        archive: The image as a file, in a directory of its own: both are made readable for everybody.
        kind: What wrote it: ``docker save`` and ``podman save``, or a build with an OCI archive as its output.
        run: Runs a container engine with arguments, and returns what it printed.

    Raises:
        NovaError: The scanner could not be run.
        AwsError: It said something else than its findings.
    """
    # The scanner's user is root, and without capabilities it may not pass what only this user may: on GitHub's machines
    # that is somebody else.
    archive.parent.chmod(0o755)
    archive.chmod(0o644)
    said = run(
        (
            *("run", "--rm", "--cap-drop=all", f"--volume={archive.parent}:{_MOUNTED}:ro", scanner),
            *(f"{kind}:{_MOUNTED}/{archive.name}", "--output=json", "--quiet"),
        )
    )
    try:
        return list(_findings(json.loads(said)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AwsError(
            f"{scanner.partition('@')[0]}: did not print its findings ({error}): run the command again, or name "
            "another release of the scanner under [images]"
        ) from None


def _findings(report: dict[str, Any]) -> Iterator[Vulnerability]:
    """One finding for each vulnerability, with all of the packages that have it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for match in report["matches"]:
        if match["vulnerability"]["severity"] in _SEVERITIES:
            found.setdefault(match["vulnerability"]["id"], []).append(match)
    for name, matches in found.items():
        vulnerability = matches[0]["vulnerability"]
        aliases = {each["id"] for match in matches for each in match.get("relatedVulnerabilities") or ()}
        fixes = [match["vulnerability"].get("fix") or {} for match in matches]
        yield Vulnerability(
            name,
            _SEVERITIES[vulnerability["severity"]],
            tuple(dict.fromkeys(_package(match, fix) for match, fix in zip(matches, fixes, strict=True))),
            # Not known counts as fixable, so that no finding passes by accident.
            fixable=any(fix.get("state", "unknown") not in ("not-fixed", "wont-fix") for fix in fixes),
            aliases=tuple(sorted(aliases - {name})),
        )


def _package(match: dict[str, Any], fix: dict[str, Any]) -> str:
    artifact, versions = match["artifact"], fix.get("versions") or ()
    return f"{artifact['name']} {artifact['version']}" + (f" → {versions[0]}" if versions else "")
