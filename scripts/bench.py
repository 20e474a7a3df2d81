"""Times a synthesis of 4, 16 and 45 services in three environments, phase by phase: ``make bench``.

Each size runs in a process of its own, as ``cdk synth`` does. Exits with 1 when a limit is passed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

os.environ.setdefault("JSII_NODE", str(Path(sys.executable).with_name("node")))

ROOT = Path(__file__).parents[1]
SIZES = (4, 16, 45)
MAX_SECONDS = {4: 12, 45: 30}
MAX_RESOURCES = 450
MAX_BYTES = 900_000


def measure(services: int) -> dict[str, float]:
    """Synthesize that many services, and say how long each phase took and how large the largest template is."""
    started = time.perf_counter()
    from nova_infra.app import build_app
    from nova_infra.config import parse_config

    imported = time.perf_counter()
    raw = tomllib.loads((ROOT / "nova.toml").read_text(encoding="utf-8"))
    raw["services"] = [{"name": f"service-{n}", "priority": n} for n in range(1, services + 1)]
    with tempfile.TemporaryDirectory() as directory:
        app = build_app(parse_config(raw), root=ROOT, image_tag="bench", outdir=Path(directory))
        constructed = time.perf_counter()
        app.synth()
        synthesized = time.perf_counter()
        sizes = [
            (len(json.loads(text)["Resources"]), len(text))
            for text in (path.read_text(encoding="utf-8") for path in Path(directory).rglob("*.template.json"))
        ]
    return {
        "import": imported - started,
        "construct": constructed - imported,
        "synthesize and validate": synthesized - constructed,
        "total": synthesized - started,
        "templates": len(sizes),
        "largest resources": max(resources for resources, _ in sizes),
        "largest bytes": max(size for _, size in sizes),
    }


def main() -> int:
    """Measure each size in a process of its own and print a table."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
        return 0
    failed = False
    for services in SIZES:
        output = subprocess.run(
            [sys.executable, __file__, str(services)], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
        result = json.loads(output.splitlines()[-1])
        print(f"{services:3} services  " + "  ".join(f"{key} {value:.4g}" for key, value in result.items()))
        failed |= (
            result["total"] > MAX_SECONDS.get(services, MAX_SECONDS[45])
            or result["largest resources"] > MAX_RESOURCES
            or result["largest bytes"] > MAX_BYTES
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
