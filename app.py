"""Entry point of the CDK app: reads the configuration and the context, and synthesizes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# The locked Node stands beside the Python that runs this. CDK starts Node as it is imported, so this comes first.
os.environ.setdefault("JSII_NODE", str(Path(sys.executable).with_name("node")))

import aws_cdk as cdk

from nova_infra.app import build_app
from nova_infra.config import load_config
from nova_infra.errors import NovaError

ROOT = Path(__file__).resolve().parent


def main() -> int:
    """Synthesize, or say in a line for each fault why not."""
    context = cdk.App().node
    try:
        build_app(
            load_config(ROOT),
            root=ROOT,
            environment=context.try_get_context("environment"),
            image_tag=context.try_get_context("imageTag"),
            canary_percentage=context.try_get_context("canaryPercentage"),
        ).synth()
    except NovaError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except RuntimeError as error:
        # CDK has printed each finding by then; a traceback through its internals would bury them.
        if not str(error).startswith("ValidationFailed"):
            raise
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
