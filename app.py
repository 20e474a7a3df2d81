"""Entry point of the CDK app: reads the configuration and the context, and synthesizes."""

import gc
import os
import re
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nova_infra.config import Config

ROOT = Path(__file__).resolve().parent


def main() -> int:
    """Synthesize, or say in a line for each fault why not."""
    # Ctrl-C ends this process without a traceback, also while modules load. Nothing has to be put back.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from nova_infra.config import load_config
    from nova_infra.errors import NovaError

    try:
        synthesize(load_config(ROOT))
    except NovaError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except RuntimeError as error:
        # What CDK finds, as `ValidationFailed: …` or of a line of somebody's: a traceback through CDK would bury it.
        files = ((Path(each.filename), each.lineno) for each in traceback.extract_tb(error.__traceback__))
        own = [f"{path.relative_to(ROOT)}:{line}: " for path, line in files if path.is_relative_to(ROOT / "services")]
        is_named = re.match(r"[A-Z]\w+: ", str(error)) is not None
        if type(error.__cause__).__name__ != "JavaScriptError" or not (own or is_named):
            raise
        print(f"{(own or [''])[-1]}{error}", file=sys.stderr)
        return 1
    return 0


def synthesize(config: "Config") -> None:
    """Write the cloud assembly that the configuration and the context describe.

    Raises:
        NovaError: A context value is not usable, or there is no Node for CDK.
        RuntimeError: A check has findings.
    """
    from nova_infra import kernel
    from nova_infra.machine import tools

    # CDK starts Node as it is imported, which takes a second, so a mistake in the configuration is answered before.
    tools.prepare_node(os.environ)
    # Little of what a synthesis makes becomes garbage before its end: to look for it takes a twentieth of the time.
    gc.disable()
    kernel.trust_types()
    kernel.connect_directly()
    import aws_cdk as cdk

    from nova_infra.app import build_app

    context = cdk.App().node
    build_app(
        config,
        root=ROOT,
        environment=context.try_get_context("environment"),
        image_tag=context.try_get_context("imageTag"),
        canary_percentage=context.try_get_context("canaryPercentage"),
        rehearsed=context.try_get_context("rehearsed") is not None,
    ).synth()


if __name__ == "__main__":
    sys.exit(main())
