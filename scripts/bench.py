"""Times a synthesis, checks included: ``make bench``.

First ``cdk synth`` as a user runs it, then the app with 4, 16 and 45 services in three environments, phase by phase,
each size in a process of its own; last 45 mixed ones: websites, workers, jobs, sidecars and overrides. Of what the
project itself adds to each: its checks alone, the plan of a release of every service, and ``nova access``, the graph of
who can do what. That each policy stays within IAM's limits is one of the checks. Exits with 1 when a limit is passed.
The limits are for two quiet cores.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from nova_infra.machine import tools

tools.prepare_node(os.environ)

ROOT = Path(__file__).parents[1]
SIZES = (4, 16, 45)
MAX_SECONDS_OF_CLI = 12
MAX_SECONDS = 15
MAX_SECONDS_MIXED = 25
MAX_RESOURCES = 450
MAX_BYTES = 900_000
# What the project itself adds, whatever the size, to the most seconds that it may take.
ADDED = {"checks": 1.0, "plan": 1.0, "access": 2.0}
ENVIRONMENTS = (ROOT / "tests/unit/nova.toml").read_text(encoding="utf-8").partition("[[services]]")[0]
"""The same for everybody."""


_DIGEST = "sha256:" + 64 * "a"
# Of five kinds, each nine times. What a name has to be unique for holds its number: `{n}`.
MIXED = (
    """
[[services]]
name = "service-{n}"
priority = {n}
environment = {{ LEVEL = "info" }}
[services.environments.prod]
cpu = 512
memory = 1024
environment = {{ LEVEL = "error" }}
scaling = {{ min_tasks = 3, max_tasks = 12 }}
""",
    """
[[services]]
name = "service-{n}"
priority = {n}
sidecars = [{{ name = "collector", image = "public.ecr.aws/o/collector@{digest}", memory = 128 }}]
memory = 1024
permissions = [{{ actions = ["s3:GetObject"], resources = ["arn:aws:s3:::reports-{n}/*"] }}]
""",
    """
[[services]]
name = "service-{n}"
internal = true
secrets = {{ API_TOKEN = "nova/token-{n}" }}
connects_to = ["db.internal:5432"]
""",
    """
[[services]]
name = "service-{n}"
kind = "worker"
queue = {{ name = "mails-{n}-{{environment}}", messages_per_task = 40, oldest_seconds = 90 }}
scaling.min_tasks = 2
scaling.max_tasks = 9
scaling.spot = {{ percent = 80, base = 1 }}
""",
    """
[[services]]
name = "service-{n}"
kind = "job"
schedule = "0 6 * * 1"
time_zone = "Asia/Tokyo"
timeout_seconds = 700
""",
)


def written(services: int, mixed: bool) -> str:
    """A ``nova.toml`` with that many services, all with the defaults or of five kinds in turn."""
    kinds = MIXED if mixed else ('[[services]]\nname = "service-{n}"\npriority = {n}\n',)
    each = (kinds[n % len(kinds)].format(n=n, digest=_DIGEST) for n in range(1, services + 1))
    return ENVIRONMENTS + "".join(each)


def write_project(directory: Path, configuration: str, services: int) -> None:
    """What ``nova access`` reads beside an assembly."""
    (directory / "nova.toml").write_text(configuration, encoding="utf-8")
    for number in range(1, services + 1):
        (dockerfile := directory / "services" / f"service-{number}" / "Dockerfile").parent.mkdir(parents=True)
        dockerfile.touch()


def measure(services: int, mixed: bool) -> dict[str, float]:
    """Synthesize that many services: seconds of each phase, number of templates, and size of the largest."""
    started = time.time()
    sys.path.insert(0, str(ROOT))
    from nova_infra import kernel

    gc.disable()  # as app.py does
    kernel.trust_types()
    kernel.connect_directly()
    from nova_infra.app import build_app
    from nova_infra.checks.plugin import NovaChecks
    from nova_infra.config import parse_config

    imported = time.time()
    checks = timed(NovaChecks, "validate")
    text = written(services, mixed)
    with tempfile.TemporaryDirectory() as directory:
        assembly = Path(directory, "assembly")
        app = build_app(parse_config(tomllib.loads(text)), root=ROOT, image_tag="bench", outdir=assembly)
        constructed = time.time()
        app.synth()
        validated = time.time()
        cpu = time.process_time()
        # CDK validates what it has written, and writes the manifest last.
        synthesized = (assembly / "manifest.json").stat().st_mtime
        templates = [path.read_text(encoding="utf-8") for path in assembly.rglob("*.template.json")]
        sizes = [(len(json.loads(each)["Resources"]), len(each)) for each in templates]
        write_project(Path(directory), text, services)
        plan, access = time_plan(assembly), time_access(assembly)
    return {
        "import": imported - started,
        "construct": constructed - imported,
        "synthesize": synthesized - constructed,
        "validate": validated - synthesized,
        "total": validated - started,
        "cpu": cpu,
        "checks": sum(checks),
        "plan": plan,
        "access": access,
        "templates": len(sizes),
        "resources": max(resources for resources, _ in sizes),
        "bytes": max(size for _, size in sizes),
    }


def timed(kind: type, method: str) -> list[float]:
    """Seconds that each call of a method takes from now on."""
    taken: list[float] = []
    original = getattr(kind, method)

    def run(*arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return original(*arguments)
        finally:
            taken.append(time.perf_counter() - began)

    setattr(kind, method, run)
    return taken


def time_plan(assembly: Path) -> float:
    """Seconds that it takes to plan a release of every service over the one before."""
    from nova_infra.assembly import Assembly
    from nova_infra.rehearsal.pipeline.edits import previous_images
    from nova_infra.rehearsal.pipeline.forecast import forecast
    from nova_infra.rehearsal.pipeline.release import Release

    release = Release("candidate", Assembly(assembly), ROOT)
    began = time.perf_counter()
    planned = forecast(release, Release("baseline", Assembly(assembly), ROOT, (previous_images,)))
    seconds = time.perf_counter() - began
    assert planned.stacks, "every service changes"
    return seconds


def time_access(assembly: Path) -> float:
    """Seconds that ``nova access`` takes."""
    began = time.perf_counter()
    subprocess.run(["nova", "access", "--assembly", assembly], cwd=assembly.parent, check=True, capture_output=True)
    return time.perf_counter() - began


def time_cli() -> float:
    """Seconds that ``cdk synth`` takes with the project's own configuration."""
    with tempfile.TemporaryDirectory() as directory:
        started = time.time()
        subprocess.run(["cdk", "synth", "--quiet", "--output", directory], cwd=ROOT, check=True, capture_output=True)
        return time.time() - started


def sign(within: bool) -> str:
    """How a figure stands to its limit."""
    return "✓" if within else "✗"


def main() -> int:
    """Measure and print a table."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]), mixed=sys.argv[2:] == ["mixed"])))
        return 0
    seconds = time_cli()
    within = seconds < MAX_SECONDS_OF_CLI
    print(f"{sign(within)} cdk synth, nova.toml as it is: {seconds:.1f} s (limit {MAX_SECONDS_OF_CLI} s)")
    for services, mixed in (*((size, False) for size in SIZES), (SIZES[-1], True)):
        limit = MAX_SECONDS_MIXED if mixed else MAX_SECONDS
        output = subprocess.run(
            [sys.executable, __file__, str(services), *(["mixed"] if mixed else [])],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        result = json.loads(output.splitlines()[-1])
        phases = "  ".join(
            f"{phase} {result[phase]:4.1f}" for phase in ("import", "construct", "synthesize", "validate", "total")
        )
        fast = result["total"] < limit
        small = result["resources"] < MAX_RESOURCES and result["bytes"] < MAX_BYTES
        print(
            f"{services:2} {'mixed' if mixed else 'like':5} services x 3 environments, "
            f"seconds: {phases} (limit {limit} {sign(fast)}), CPU {result['cpu']:.1f} without Node's;  "
            f"{result['templates']:3} templates, the largest with {result['resources']} resources "
            f"(limit {MAX_RESOURCES}) and {result['bytes'] / 1000:.0f} kB (limit {MAX_BYTES // 1000} {sign(small)}); "
            + ", ".join(
                f"{name} {result[name]:.2f} (limit {most} {sign(result[name] <= most)})" for name, most in ADDED.items()
            )
        )
        within &= all(result[name] <= most for name, most in ADDED.items())
        within &= fast and small
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
