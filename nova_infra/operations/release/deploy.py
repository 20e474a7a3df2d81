"""Deploys one environment of a synthesized assembly, unchanged."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from nova_infra.config import Config
from nova_infra.errors import AwsError, RefusedError
from nova_infra.names import environment_prefix, platform_stack_name


def deploy(config: Config, environment: str, *, assembly: Path) -> str:
    """Deploy an environment's stacks from an assembly that was made before; nothing is synthesized.

    What is deployed to one environment after the other is then the same, and what was tested is what arrives. The CDK
    CLI waits for every stack, and CloudFormation for every bake.

    Args:
        config: The configuration.
        environment: Name of the environment.
        assembly: Where ``make synth`` wrote it.

    Returns:
        The environment's base URL.

    Raises:
        RefusedError: Another engine delivers here, or the assembly holds no such environment.
        AwsError: A stack was not deployed.
    """
    chosen = config.environment(environment)
    if config.delivery.engine != "github-actions":
        raise RefusedError(
            f"{environment}: is delivered by CodePipeline, and two engines would overtake each other: push instead, "
            'or set engine = "github-actions" under [delivery]'
        )
    if not (assembly / f"assembly-{chosen.stage}" / "manifest.json").exists():
        raise RefusedError(f"{assembly}: holds no stage {chosen.stage}: run make synth")
    with tempfile.TemporaryDirectory(prefix="nova-deploy-") as directory:
        outputs = Path(directory, "outputs.json")
        command = [
            *("cdk", "deploy", f"--app={assembly}", f"{chosen.stage}/*"),
            "--require-approval=never",
            "--progress=events",
            f"--concurrency={len(config.services)}",
            f"--outputs-file={outputs}",
        ]
        try:
            status = subprocess.run(command, check=False).returncode
        except FileNotFoundError:
            raise RefusedError("cdk: not found: run make setup, and put node_modules/.bin on the path") from None
        if status:
            raise AwsError(
                f"{environment}: cdk deploy exited with {status}: see its output above; "
                "CloudFormation has restored the stacks that failed"
            )
        written = json.loads(outputs.read_text(encoding="utf-8")) if outputs.exists() else {}
    url: str | None = written.get(platform_stack_name(environment_prefix(config.platform.name, environment)), {}).get(
        "Url"
    )
    if url is None:
        raise AwsError(f"{environment}: the platform stack has no output Url: deploy it again")
    return url
