"""Synthesizes the working tree (``cdk synth``), for the commands that need its assembly.

CDK asks AWS while it synthesizes. Where nobody has asked, and this machine may not, likely zones stand for those of an
app's environments: https://docs.aws.amazon.com/cdk/v2/guide/context.html
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nova_infra.config import load_config
from nova_infra.errors import NovaError
from nova_infra.machine.processes import run_to_end

_ZONES = "availability-zones"
_DUMMY = re.compile(r'"dummy1([a-c])"')


def synthesize(root: Path) -> Path:
    """Synthesize the project, unless it has not changed since, and return the assembly's directory.

    What it prints goes to standard error: standard output is the command's own. Where GitHub Actions delivers, the
    assembly has a pipeline all the same, of the same steps: it is to be looked at and rehearsed, not to be deployed.
    """
    if not (root / "nova.toml").exists():
        raise NovaError(f"nova.toml: not found in {root}: run the command in the project's directory")
    target, assembly = "synth", root / "cdk.out"
    if load_config(root).delivery.engine != "codepipeline":
        target, assembly = ".nova/rehearsed/manifest.json", root / ".nova" / "rehearsed"
    code, _ = run_to_end(["sh", "-c", f"exec make --silent --no-print-directory {target} >&2"], directory=root)
    if code:
        raise NovaError("the working tree does not synthesize: fix the errors printed above")
    return assembly


def synthesize_app(root: Path, app: str) -> Path:
    """Synthesize anybody's CDK app, and return the assembly's directory.

    Args:
        app: The command that synthesizes it, or the directory of an assembly, as cdk.json's ``app``.
    """
    if (root / app / "manifest.json").is_file():
        return root / app
    lost = shutil.which(app) is None and not (root / app).is_file()
    if len(app.split()) == 1 and lost:
        raise NovaError(
            f"--app {app}: is neither a command nor the directory of an assembly: "
            "give the command that synthesizes, or run `cdk synth` and give its cdk.out"
        )
    assembly, context = root / ".nova" / "assembly", root / "cdk.context.json"
    is_new = not context.exists()
    words = ["cdk", "synth", "--quiet", "--app", app, "--output", str(assembly)]
    try:
        code, _ = run_to_end(["sh", "-c", 'exec "$@" >&2', "sh", *words], directory=root)
    except OSError as error:
        raise NovaError(f"cdk: {error.strerror}: install the CDK CLI with `npm install aws-cdk`") from None
    if code and not synthesized_without(words, assembly, directory=root):
        lacks = (root / "package.json").is_file() and not (root / "node_modules").is_dir()
        remedy = "run `npm install` here, and repeat" if lacks else "fix the errors printed above"
        raise NovaError(f"--app {app}: does not synthesize: {remedy}")
    if is_new and context.is_file() and not _read(context):
        context.unlink()  # The CDK leaves an empty one, and the tree would no longer be its commit's.
    return assembly


def synthesized_without(
    words: Sequence[str], assembly: Path, *, directory: Path, environment: Mapping[str, str] | None = None
) -> bool:
    """Synthesize again what failed, without asking AWS, and put likely zones where they were not looked up.

    Returns:
        Whether the zones were its only fault.

    Raises:
        NovaError: It lacks what has no likely value, such as a network.
    """
    if not any(True for _ in _missing(assembly)):
        return False
    (assembly / "manifest.json").unlink()  # An app that ends before it has written one leaves that of its last run.
    run_to_end([*words, "--no-lookups"], directory=directory, environment=environment, quiet=True)
    missing = list(_missing(assembly))
    if not missing or any(path.is_file() and _error(path) for path in assembly.rglob("*.json")):
        return False
    if keys := sorted({str(each.get("key")) for each in missing if each.get("provider") != _ZONES}):
        raise NovaError(
            f"cdk.context.json: lacks what only AWS knows, {keys[0]}: run `cdk synth` once where it has credentials, "
            "and keep the file that it writes"
        )
    for manifest in assembly.rglob("manifest.json"):
        for stack in _read(manifest).get("artifacts", {}).values():
            region = str(stack.get("environment", "")).rpartition("/")[2]
            template = manifest.parent / str(stack.get("properties", {}).get("templateFile", ""))
            if template.is_file():
                text = template.read_text(encoding="utf-8")
                template.write_text(_DUMMY.sub(rf'"{region}\1"', text), encoding="utf-8")
    return True


def not_looked_up(assembly: Path) -> list[str]:
    """What made-up values stand for, a sentence for what has not been looked up."""
    regions = sorted({str(each.get("props", {}).get("region")) for each in _missing(assembly)})
    if not regions:
        return []
    return [f"availability zones: nobody has looked up those of {', '.join(regions)}, and likely ones stand for them"]


def _missing(assembly: Path) -> Iterator[Mapping[str, Any]]:
    found = _read(assembly / "manifest.json").get("missing")
    yield from (each for each in found if isinstance(each, dict)) if isinstance(found, list) else ()


def _error(path: Path) -> bool:
    """Whether a construct of the app has reported an error."""
    return '"aws:cdk:error"' in path.read_text(encoding="utf-8", errors="replace")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # refused by name where it is read
    return content if isinstance(content, dict) else {}
