"""Compares `cdk synth` with an app in Node that only writes the same resources: ``make bench``.

Processor time of everything that the CDK CLI starts, itself included, the better of two runs each. Exits with 1 when
the limit is passed. CDK's own validation is part of both; Nova's checks and cdk-nag are part of Nova's alone. To
show what CDK itself costs from Python, the second row compares apps of one resource, with nothing of Nova's.
"""

import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import constructs

ROOT = Path(__file__).parents[1]
MODULES = ROOT / ".nova" / "bench" / "node_modules"
MAX_RATIO = 1.6
RUNS = 2


def modules() -> Path:
    """CDK for Node, of the version that Python uses: it is in Python's packages."""
    library = Path(str(constructs.__file__)).parents[1]
    for archive in [*library.glob("aws_cdk/**/_jsii/*.tgz"), *library.glob("constructs/_jsii/*.tgz")]:
        unpacked = MODULES.parent / archive.name
        if not unpacked.exists():
            with tempfile.TemporaryDirectory(dir=MODULES.parent) as temporary:
                subprocess.run(["tar", "-xzf", archive, "-C", temporary], check=True)
                package = Path(temporary, "package")
                target = MODULES / json.loads((package / "package.json").read_text(encoding="utf-8"))["name"]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(target, ignore_errors=True)
                package.rename(target)
            unpacked.touch()
    return MODULES


def processor_seconds(arguments: Sequence[str], *, directory: Path, variables: Mapping[str, str]) -> float:
    """User and system time of a command and of all that it starts and waits for."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    subprocess.run(arguments, cwd=directory, env={**os.environ, **variables}, check=True, capture_output=True)
    return used() - before


def main() -> int:
    """Measure both in turn."""
    MODULES.mkdir(parents=True, exist_ok=True)
    node = {"NODE_PATH": str(modules())}
    with tempfile.TemporaryDirectory() as temporary:
        there = Path(temporary)
        assembly = there / "nova"
        nova = ["cdk", "synth", "--quiet", "--output", str(assembly)]
        shutil.copy(ROOT / "cdk.json", there)  # the same flags
        (there / "small.py").write_text(
            "import aws_cdk as cdk\napp = cdk.App()\n"
            'cdk.CfnResource(cdk.Stack(app, "Small"), "Topic", type="AWS::SNS::Topic")\napp.synth()\n',
            encoding="utf-8",
        )
        (there / "small.cjs").write_text(
            'const cdk = require("aws-cdk-lib"); const app = new cdk.App();\n'
            'new cdk.CfnResource(new cdk.Stack(app, "Small"), "Topic", { type: "AWS::SNS::Topic" }); app.synth();\n',
            encoding="utf-8",
        )

        def other(app: str) -> list[str]:
            return ["cdk", "synth", "--quiet", "--app", app, "--output", str(there / "other")]

        try:
            ours, theirs = compared(
                (nova, ROOT, {}), (other(f"node {ROOT / 'scripts' / 'bench_node.cjs'} {assembly}"), there, node)
            )
            jsii, small = compared(
                (other(f"{shlex.quote(sys.executable)} small.py"), there, {}), (other("node small.cjs"), there, node)
            )
        except subprocess.CalledProcessError as error:
            sys.exit(f"bench: {' '.join(error.cmd)}: {error.stderr.decode(errors='replace').strip()}")
    ratio = ours / theirs
    print("cdk synth, seconds of processor time          Python   Node  ratio")
    print(f"nova.toml as it is; the same resources        {ours:6.1f} {theirs:6.1f} {ratio:6.2f}  (limit {MAX_RATIO})")
    print(f"one resource                                  {jsii:6.1f} {small:6.1f} {jsii / small:6.2f}")
    return 0 if ratio < MAX_RATIO else 1


def compared(*commands: tuple[Sequence[str], Path, Mapping[str, str]]) -> list[float]:
    """The least processor time of several runs of each command, run in turn: arguments, directory and variables."""
    taken: list[list[float]] = [[] for _ in commands]
    for _ in range(RUNS):
        for seconds, (arguments, directory, variables) in zip(taken, commands, strict=True):
            seconds.append(processor_seconds(arguments, directory=directory, variables=variables))
    return [min(seconds) for seconds in taken]


if __name__ == "__main__":
    sys.exit(main())
