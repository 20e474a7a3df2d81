"""What strangers judge the project by: its licence, its scans, its fuzzing and its releases."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


def workflow(name: str) -> dict[Any, Any]:
    """To YAML, the key `on` is `True`."""
    found: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    return found


def test_what_a_supply_chain_is_judged_by_is_there() -> None:
    """https://github.com/ossf/scorecard/blob/main/docs/checks.md: licence, code scanning, fuzzing, signed releases."""
    assert "Apache License" in (ROOT / "LICENSE").read_text() or "MIT License" in (ROOT / "LICENSE").read_text()
    scan = workflow("code-scanning")
    assert {"push", "pull_request", "schedule"} <= set(scan[True])
    uses = [step.get("uses", "").partition("@")[0] for step in scan["jobs"]["scan"]["steps"]]
    assert uses.index("github/codeql-action/init") < uses.index("github/codeql-action/analyze")
    fuzz = " ".join(step.get("run", "") for step in workflow("fuzz")["jobs"]["fuzz"]["steps"])
    assert "make fuzz " in fuzz
    assert "make fuzz-config " in fuzz
    build, publish = workflow("release")["jobs"].values()
    assert [step["run"] for step in build["steps"] if "run" in step] == ["make dist"]
    assert "sbom.cdx.json" in (ROOT / "Makefile").read_text().partition("\ndist:")[2].partition("\n\n")[0]
    attested = [step for step in publish["steps"] if "attest-build-provenance" in step.get("uses", "")]
    assert [step["with"]["subject-path"] for step in attested] == ["dist/*"], "the bill of materials, too"
    published = publish["steps"][-1]
    assert published["env"]["BUNDLE"] == f"${{{{ steps.{attested[0]['id']}.outputs.bundle-path }}}}"
    lines = published["run"].splitlines()
    assert lines[0] == 'cp "$BUNDLE" dist/provenance.intoto.jsonl', "what Scorecard, and whoever is offline, looks for"
    assert lines[1].startswith('gh release create "$TAG" dist/* ')
    policy = (ROOT / "SECURITY.md").read_text().partition("\n## ")[0]
    assert "https://docs.github.com/" in policy
    assert [each for each in ("vulnerability", "disclose", "90 days") if each not in policy] == []
    assert not any("checkout" in step.get("uses", "") for step in publish["steps"]), "it has none of our code to run"
    assert not any("make" in step.get("run", "").split() for step in publish["steps"])


def test_what_the_security_page_says_of_scorecard_holds() -> None:
    """Which jobs may write what, which files are binaries, and that what is installed has a hash."""
    writing = {
        (path.name, permission)
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        for job in workflow(path.stem)["jobs"].values()
        for permission, given in job["permissions"].items()
        if given == "write" and permission in ("contents", "statuses", "checks", "packages", "actions", "deployments")
    }
    assert writing == {("release.yml", "contents"), ("judge.yml", "statuses")}
    assert all(workflow(path.stem)["permissions"] == {} for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    page = (ROOT / "SECURITY.md").read_text().partition("## What OpenSSF's Scorecard sees")[2]
    assert all(f"`.github/workflows/{name}`" in page for name, _ in writing)
    setup = (ROOT / "scripts" / "setup.sh").read_text()
    installing = [line for line in setup.splitlines() if " pip install " in line or " npm install " in line]
    assert [each for each in installing if "--require-hashes" not in each and "--no-deps" not in each] == []
