"""``nova deploy``, ``nova registry``: deploys an environment, or the repositories, of an assembly, unchanged."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from nova_infra.assembly import Assembly
from nova_infra.config import Config
from nova_infra.documents.text import shortened
from nova_infra.errors import AwsError, RefusedError
from nova_infra.machine.scratch import scratch_directory
from nova_infra.machine.tools import run_cdk
from nova_infra.names import EARLY_REGISTRY_STACK, REGISTRY_STACK, environment_prefix, platform_stack_name


def deploy(config: Config, environment: str, *, assembly: Path) -> str:
    """Deploy an environment's stacks from an assembly that was made before; nothing is synthesized.

    What is deployed to one environment after the other is then the same, and what was tested is what arrives. The CDK
    CLI waits for every stack, and CloudFormation for every bake.

    Returns:
        The environment's base URL.

    Raises:
        RefusedError: Another engine delivers here, or the assembly holds no such environment.
        AwsError: A stack was not deployed.
    """
    chosen = config.environment(environment)
    _require_engine(config, environment)
    if not (assembly / f"assembly-{chosen.stage}" / "manifest.json").exists():
        raise RefusedError(f"{assembly}: holds no stage {chosen.stage}: run make synth")
    with scratch_directory("deploy") as directory:
        outputs = Path(directory, "outputs.json")
        concurrency, written_to = f"--concurrency={len(config.services)}", f"--outputs-file={outputs}"
        _cdk_deploy(environment, assembly, f"{chosen.stage}/*", concurrency, written_to)
        written = json.loads(outputs.read_text(encoding="utf-8")) if outputs.exists() else {}
    url: str | None = written.get(platform_stack_name(environment_prefix(config.platform.name, environment)), {}).get(
        "Url"
    )
    if url is None:
        raise AwsError(f"{environment}: the platform stack has no output Url: deploy it again")
    return url


def deploy_registry(config: Config, *, assembly: Path, early: bool = False) -> None:
    """Deploy the image repositories from an assembly that was made before, so that each service has one.

    Args:
        early: Whether the early branch's are meant, which its jobs may deploy, and not those of releases.
    """
    _require_engine(config, "registry")
    if early and config.early_branch is None:
        raise RefusedError("--early: there is no early branch: set early_branch under [delivery], or leave it out")
    stack = EARLY_REGISTRY_STACK if early else REGISTRY_STACK
    _registry_template(assembly, stack)
    # Not the roles that it depends on, which an administrator deploys. A repository outlives its service: where a
    # name is used again, it is adopted.
    _cdk_deploy("registry", assembly, stack, "--exclusively", "--import-existing-resources")


def registry_changes(config: Config, *, assembly: Path, deployed: Callable[[str], object]) -> bool:
    """Whether the delivered branch's image repositories differ from those in an assembly."""
    _require_engine(config, "registry")
    template = _registry_template(assembly, REGISTRY_STACK)
    wanted: object = json.loads(template.read_text(encoding="utf-8"))
    return _as_given_back(deployed(REGISTRY_STACK)) != _as_given_back(wanted)


def _as_given_back(template: object) -> str:
    """A template as CloudFormation gives it back: ``?`` for what is not ASCII (coverage-roadmap#1220)."""
    return re.sub(r"[\u0080-\U0010ffff]", "?", json.dumps(template, sort_keys=True, ensure_ascii=False))


def _registry_template(assembly: Path, stack: str) -> Path:
    template = assembly / f"{stack}.template.json"
    if not template.exists():
        raise RefusedError(f"{assembly}: holds no stack {stack}: run make synth")
    return template


def _require_engine(config: Config, what: str) -> None:
    if config.delivery.engine != "github-actions":
        raise RefusedError(
            f"{what}: is delivered by CodePipeline, and two engines would overtake each other: push instead, "
            'or set engine = "github-actions" under [delivery]'
        )


def _cdk_deploy(what: str, assembly: Path, stacks: str, *options: str) -> None:
    for name, commands in Assembly(assembly).commands().items():
        raise RefusedError(
            f"{assembly}: publishing {name} would run {shortened(commands[0])!r} with the credentials of the "
            "deployment: make its assets of files, which are there before"
        )
    if misled := Assembly(assembly).misled():
        raise RefusedError(
            f"{assembly}: {misled[0]} would be deployed from another template than the one that was compared and "
            "approved: find out who wrote its list of assets, and run make synth"
        )
    always = ("--require-approval=never", "--progress=events")
    with scratch_directory("assembly") as directory:
        # The CLI leaves archives of assets in what it deploys, which then would no longer be what was built.
        copy = shutil.copytree(assembly, Path(directory, "cdk.out"), symlinks=True)
        status = run_cdk("deploy", f"--app={copy}", stacks, *always, *options).returncode
    if status:
        raise AwsError(
            f"{what}: cdk deploy exited with {status}: see its output above; "
            "CloudFormation has restored the stacks that failed, unless one ends in UPDATE_ROLLBACK_FAILED"
        )
