"""Synthesizing the working tree, for the commands that need its assembly."""

import shutil
from pathlib import Path

from nova_infra.config import load_config
from nova_infra.errors import NovaError
from nova_infra.machine.processes import run_to_end


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
    assembly = root / ".nova" / "assembly"
    words = ["cdk", "synth", "--quiet", "--app", app, "--output", str(assembly)]
    try:
        code, _ = run_to_end(["sh", "-c", 'exec "$@" >&2', "sh", *words], directory=root)
    except OSError as error:
        raise NovaError(f"cdk: {error.strerror}: install the CDK CLI with `npm install aws-cdk`") from None
    if code:
        raise NovaError(f"--app {app}: does not synthesize: fix the errors printed above")
    return assembly
