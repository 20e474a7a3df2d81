"""Apps whose environments have an account, on a machine that may not ask AWS for its zones."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from nova_infra.errors import NovaError
from nova_infra.synthesis import not_looked_up, synthesize_app, synthesized_without

ZONES = {"key": "availability-zones:account=1", "provider": "availability-zones", "props": {"region": "eu-west-1"}}
NETWORK = {"key": "vpc-provider:account=1", "provider": "vpc-provider", "props": {"region": "eu-west-1"}}
STACK = {"environment": "aws://1/eu-west-1", "properties": {"templateFile": "shop.json"}}


def written(directory: Path, *missing: Any, inner: str = "assembly-Test", error: bool = False) -> Path:
    assembly = directory / "cdk.out"
    (assembly / inner).mkdir(parents=True, exist_ok=True)
    (assembly / "manifest.json").write_text(json.dumps({"artifacts": {}, "missing": missing}))
    (assembly / inner / "manifest.json").write_text(json.dumps({"artifacts": {"shop": STACK}, "missing": missing}))
    (assembly / inner / "shop.json").write_text(json.dumps({"Zone": ["dummy1a", "dummy1c"]}))
    said = [{"type": "aws:cdk:error", "data": "no"}] if error else []
    (assembly / inner / "shop.metadata.json").write_text(json.dumps({"/Shop": said}))
    return assembly


def again(assembly: Path, *, writes: bool = True) -> bool:
    """Whether the second synthesis, which writes the same manifest, leaves nothing but zones."""
    manifest = assembly / "manifest.json"
    script = (
        f"import sys; assert sys.argv[1:] == ['--no-lookups']; open({str(manifest)!r}, 'w').write(sys.stdin.read())"
    )
    script = script.replace("sys.stdin.read()", repr(manifest.read_text()))
    words = [sys.executable, "-c", script if writes else "import sys; sys.exit(1)"]
    return synthesized_without(words, assembly, directory=assembly)


def test_likely_zones_stand_for_those_that_nobody_has_looked_up(tmp_path: Path) -> None:
    assembly = written(tmp_path, ZONES)
    assert again(assembly)
    assert json.loads((assembly / "assembly-Test" / "shop.json").read_text()) == {"Zone": ["eu-west-1a", "eu-west-1c"]}
    [said] = not_looked_up(assembly)
    assert "nobody has looked up those of eu-west-1" in said


def test_a_network_that_nobody_has_looked_up_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(NovaError, match=r"vpc-provider:account=1: run `cdk synth` once where it has credentials"):
        again(written(tmp_path, ZONES, NETWORK))


def test_other_faults_stay_faults(tmp_path: Path) -> None:
    assert not again(written(tmp_path, ZONES, error=True))
    assert not again(written(tmp_path))
    assert not_looked_up(written(tmp_path)) == []


def test_an_app_that_breaks_is_not_taken_for_its_last_synthesis(tmp_path: Path) -> None:
    assert not again(written(tmp_path, ZONES), writes=False)
    assert not_looked_up(tmp_path / "cdk.out") == []


@pytest.mark.parametrize(
    ("before", "written_by_cdk", "kept"), [(None, "{}", False), ("{}", "{}", True), (None, '{"zones": 1}', True)]
)
def test_the_cdks_empty_file_of_context_does_not_stay(
    before: str | None, written_by_cdk: str, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, cdk = tmp_path / "cdk.context.json", tmp_path / "bin" / "cdk"
    cdk.parent.mkdir()
    cdk.write_text(f"#!/bin/sh\necho '{written_by_cdk}' > cdk.context.json\n")
    cdk.chmod(0o755)
    monkeypatch.setenv("PATH", f"{cdk.parent}:/bin:/usr/bin")
    if before is not None:
        context.write_text(before)
    synthesize_app(tmp_path, "true")
    assert context.exists() == kept


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ((), "does not synthesize: fix the errors printed above"),
        (("package.json",), "fix the errors printed above; if one names a package, run `npm install` here first"),
        (("package.json", "node_modules/"), "does not synthesize: fix the errors printed above"),
    ],
)
def test_packages_that_are_not_installed_are_one_cause_of_several(
    files: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cdk = tmp_path / "bin" / "cdk"
    cdk.parent.mkdir()
    cdk.write_text("#!/bin/sh\nexit 1\n")
    cdk.chmod(0o755)
    monkeypatch.setenv("PATH", f"{cdk.parent}:/bin:/usr/bin")
    for each in files:
        (tmp_path / each).mkdir() if each.endswith("/") else (tmp_path / each).touch()
    app = f"true --name={'x' * 300}"
    with pytest.raises(NovaError, match=f"{re.escape(said)}$"):
        synthesize_app(tmp_path, app)
