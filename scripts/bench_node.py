"""Compares `cdk synth` with an app in Node that only writes the same resources: ``make bench``.

Processor time of everything that the CDK CLI starts, itself included, the better of two runs each. Exits with 1 when
the limit is passed. CDK's own validation is part of both; Nova's checks and cdk-nag are part of Nova's alone.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
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
            with tarfile.open(archive) as files, tempfile.TemporaryDirectory(dir=MODULES.parent) as temporary:
                files.extractall(temporary, filter="data")
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
        app = f"node {ROOT / 'scripts' / 'bench_node.cjs'} {assembly}"
        plain = ["cdk", "synth", "--quiet", "--app", app, "--output", str(there / "plain")]
        shutil.copy(ROOT / "cdk.json", there)  # the same flags
        ours, theirs = [], []
        try:
            for _ in range(RUNS):
                ours.append(processor_seconds(nova, directory=ROOT, variables={}))
                theirs.append(processor_seconds(plain, directory=there, variables=node))
        except subprocess.CalledProcessError as error:
            sys.exit(f"bench: {' '.join(error.cmd)}: {error.stderr.decode(errors='replace').strip()}")
    ratio = min(ours) / min(theirs)
    print(
        f"cdk synth, nova.toml as it is: {min(ours):.1f} s of processor time, {ratio:.2f} times that of a Node app "
        f"which writes the same resources, {min(theirs):.1f} s (limit {MAX_RATIO})"
    )
    return 0 if ratio < MAX_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
