"""Times a synthesis, checks included: ``make bench``.

First ``cdk synth`` as a user runs it, then the app with 4, 16 and 45 services in three environments, phase by phase,
each size in a process of its own. Exits with 1 when a limit is passed. The limits are for two quiet cores.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from nova_infra.machine import tools

os.environ.setdefault("JSII_NODE", tools.node())
os.environ.setdefault("NODE_OPTIONS", "--v8-pool-size=0")  # as in app.py

ROOT = Path(__file__).parents[1]
SIZES = (4, 16, 45)
MAX_SECONDS_OF_CLI = 12
MAX_SECONDS = 30
MAX_RESOURCES = 450
MAX_BYTES = 900_000


def measure(services: int) -> dict[str, float]:
    """Synthesize that many services: seconds of each phase, number of templates, and size of the largest."""
    started = time.time()
    sys.path.insert(0, str(ROOT))
    from app import trust_types

    gc.disable()  # as app.py does
    trust_types()
    from nova_infra.app import build_app
    from nova_infra.config import parse_config

    imported = time.time()
    raw = tomllib.loads((ROOT / "tests/unit/nova.toml").read_text(encoding="utf-8"))  # the same for everybody
    raw["services"] = [{"name": f"service-{n}", "priority": n} for n in range(1, services + 1)]
    with tempfile.TemporaryDirectory() as directory:
        app = build_app(parse_config(raw), root=ROOT, image_tag="bench", outdir=Path(directory))
        constructed = time.time()
        app.synth()
        validated = time.time()
        # CDK validates what it has written, and writes the manifest last.
        synthesized = (Path(directory) / "manifest.json").stat().st_mtime
        sizes = [
            (len(json.loads(text)["Resources"]), len(text))
            for text in (path.read_text(encoding="utf-8") for path in Path(directory).rglob("*.template.json"))
        ]
    return {
        "import": imported - started,
        "construct": constructed - imported,
        "synthesize": synthesized - constructed,
        "validate": validated - synthesized,
        "total": validated - started,
        "templates": len(sizes),
        "resources": max(resources for resources, _ in sizes),
        "bytes": max(size for _, size in sizes),
    }


def time_cli() -> float:
    """Seconds that ``cdk synth`` takes with the project's own configuration."""
    with tempfile.TemporaryDirectory() as directory:
        started = time.time()
        subprocess.run(["cdk", "synth", "--quiet", "--output", directory], cwd=ROOT, check=True, capture_output=True)
        return time.time() - started


def main() -> int:
    """Measure and print a table."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
        return 0
    seconds = time_cli()
    print(f"cdk synth, nova.toml as it is: {seconds:.1f} s (limit {MAX_SECONDS_OF_CLI} s)")
    within = seconds < MAX_SECONDS_OF_CLI
    for services in SIZES:
        output = subprocess.run(
            [sys.executable, __file__, str(services)], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
        result = json.loads(output.splitlines()[-1])
        phases = "  ".join(
            f"{phase} {result[phase]:4.1f}" for phase in ("import", "construct", "synthesize", "validate", "total")
        )
        print(
            f"{services:2} services x 3 environments, seconds: {phases} (limit {MAX_SECONDS})  "
            f"{result['templates']:3} templates, the largest with {result['resources']} resources "
            f"(limit {MAX_RESOURCES}) and {result['bytes'] / 1000:.0f} kB (limit {MAX_BYTES // 1000})"
        )
        within &= result["total"] < MAX_SECONDS and result["resources"] < MAX_RESOURCES and result["bytes"] < MAX_BYTES
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
