"""Faults of the project's own services, played as containers of their images: `make faults`."""

from pathlib import Path
from typing import Any

import pytest

from helpers.engines import limits_of
from helpers.faulty_services import container, play, prepare, properties, rollout, variable
from nova_infra.assembly import Assembly
from nova_infra.config import load_config
from nova_infra.containers.engine import detect
from nova_infra.containers.errors import EngineError
from nova_infra.names import repository_name
from nova_infra.rehearsal.tasks.runtime import ImageRuntime

ROOT = Path(__file__).parents[2]
ASSEMBLY = ROOT / ".nova" / "rehearsed"
AUDIO, VIDEO, SEARCH = (f"{name}-service" for name in ("audio", "video", "search"))
GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
TASK = "AWS::ECS::TaskDefinition"

# In the repository that the service's tasks may pull from, whatever nova.toml says.
CONFIG = load_config(ROOT)
REGISTRY = f"{CONFIG.toolchain.account}.dkr.ecr.{CONFIG.toolchain.region}.amazonaws.com"
NO_IMAGE = f"{REGISTRY}/{repository_name(CONFIG.platform.name, AUDIO)}:none"
ANALYZE = "path.endswith('/analyze')"
OTHERS = "path != '/health'"

FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    # What is wrong: the verdict, a part of its reason, and how it is put in.
    "nothing at all": ("✓", "", {"fault": "pass"}),
    "one endpoint raises": (
        "✗",
        "answers 500",
        {"fault": f"on_request(lambda path: 1 / 0 if {ANALYZE} else None)"},
    ),
    "one endpoint raises, in Dev": (
        "✗",
        "answers 500",
        {
            "fault": "on_request(lambda path: 1 / 0 if path.endswith('/probe') else None)",
            "environment": "Dev",
            "service": VIDEO,
        },
    ),
    "every answer takes 300 ms more": (
        "!",
        "times as long",
        {"fault": f"async def slow(path):\n    if {OTHERS}: await asyncio.sleep(0.3)\non_request(slow)"},
    ),
    "every answer takes five seconds more": (
        "✗",
        "latency went to ALARM",
        {"fault": f"async def slow(path):\n    if {OTHERS}: await asyncio.sleep(5)\non_request(slow)"},
    ),
    "it keeps 300 KiB of every request": (
        "!",
        "MiB more every minute",
        {"fault": "on_request(lambda path: kept.append(os.urandom(300 * 1024)))"},
    ),
    "it keeps 12 MiB of every request": (
        "✗",
        "memory went to ALARM|OutOfMemoryError",  # whichever comes first, in AWS as well
        {"fault": f"on_request(lambda path: kept.append(os.urandom(12 * 2**20)) if {OTHERS} else None)"},
    ),
    "it holds more memory than its task has": (
        "✗",
        "OutOfMemoryError",
        {"fault": "kept.append(os.urandom(600 * 2**20))", "service": SEARCH},
    ),
    "a file is missing": ("✗", "No such file", {"fault": "open('/opt/nova/model.bin')", "service": VIDEO}),
    "a dependency is missing": ("✗", "No module named 'pandas'", {"fault": "import pandas"}),
    "it listens on another port": ("✗", "listens on", {"change": variable("PORT", "9000")}),
    "it listens only on loopback": ("✗", "", {"change": variable("HOST", "127.0.0.1")}),
    "a variable has no number": ("✗", "STOP_TIMEOUT", {"change": variable("STOP_TIMEOUT", "soon")}),
    "it exits after 5 s": (
        "✗",
        "the circuit breaker opened",
        {"fault": "threading.Timer(5, os._exit, [3]).start()", "service": SEARCH},
    ),
    "the health check asks for another path": (
        "✗",
        "GET /healthz answered 404",
        {"change": properties(GROUP, HealthCheckPath="/healthz")},
    ),
    "its health check fails": (
        "✗",
        "health check",
        {"fault": "on_request(lambda path: 503 if path == '/health' else None)"},
    ),
    "its health check fails after a while": (
        "✗",
        "the circuit breaker opened",
        {"fault": "on_request(lambda path: 503 if path == '/health' and count[0] > 6 else None)"},
    ),
    "it does not hear SIGTERM": (
        "!",
        "killed at the end of its stop timeout",
        {"fault": "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {15})", "service": VIDEO},
    ),
    "it imports for half a minute": ("✓", "", {"fault": "time.sleep(30)"}),
    "it imports for longer than its health check waits": (
        "✗",
        "the circuit breaker opened",
        {
            "fault": "time.sleep(25)",
            "change": lambda resources: (
                container(HealthCheck={"Command": ["CMD", "true"], "Interval": 5, "Retries": 1})(resources),
                properties("AWS::ECS::Service", HealthCheckGracePeriodSeconds=0)(resources),
                properties(GROUP, HealthCheckIntervalSeconds=5, UnhealthyThresholdCount=2)(resources),
            ),
        },
    ),
    "every operation is forbidden": (
        "✗",
        "its tests failed before any user reached it",
        {"fault": f"on_request(lambda path: 403 if {OTHERS} else None)", "service": SEARCH},
    ),
    "an operation is gone": ("!", "answers 404", {"fault": f"on_request(lambda path: 404 if {ANALYZE} else None)"}),
    "it spins": (
        "✗",
        "cpu went to ALARM",
        {"fault": "threading.Thread(target=lambda: any(False for _ in iter(int, 1)), daemon=True).start()"},
    ),
    "it writes where it may not": ("✗", "Read-only file system", {"fault": "open('/opt/nova/cache', 'w')"}),
    "a third of the requests get no answer": (
        "✗",
        "unanswered went to ALARM",
        {
            "fault": f"async def hang(path):\n    if {OTHERS} and count[0] > 25 and count[0] % 3 == 0: await asyncio.sleep(100)\n"
            "on_request(hang)"
        },
    ),
    "it dies of one operation": (
        "✗",
        "the circuit breaker opened",
        {"fault": f"on_request(lambda path: os._exit(7) if {ANALYZE} else None)"},
    ),
    "it says what no log takes": (
        "✓",
        "",
        {"fault": "sys.stdout.buffer.write(b'\\xff\\x00' * 2**20 + b'\\n'); sys.stdout.flush()", "service": SEARCH},
    ),
    "its command does not exist": ("✗", "CannotStartContainerError", {"change": container(Command=["/no/such"])}),
    "its image is for another architecture": (
        "✗",
        "exec format error",
        {"change": properties(TASK, RuntimePlatform={"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"})},
    ),
    "its image does not exist": (
        "✗",
        "CannotPullContainerError",
        {"change": container(Image=NO_IMAGE)},
    ),
    "more tasks": ("✓", "", {"change": properties("AWS::ECS::Service", DesiredCount=3)}),
    "a size that Fargate does not have": ("✗", "Fargate", {"change": properties(TASK, Memory="256")}),
    "its answers are wrong, in Dev": (
        "✗",
        "FAILED",
        {
            "fault": f"on_request(lambda path: 204 if {ANALYZE} else None)",
            "environment": "Dev",
            "tested": True,
        },
    ),
    "no alarm is watched, and it fails": (
        "!",
        "answers 500",
        {
            "fault": f"on_request(lambda path: 1 / 0 if {ANALYZE} else None)",
            "change": rollout(Alarms={"AlarmNames": [], "Enable": False, "Rollback": False}),
        },
    ),
}


@pytest.fixture(scope="session", name="world")
def _world() -> Any:
    """The engine and the assembly; skipped where there is no engine."""
    if not (ASSEMBLY / "manifest.json").exists():
        pytest.skip("the project is not synthesized: make .nova/rehearsed/manifest.json")
    if missing := [each for each in (AUDIO, VIDEO, SEARCH) if not (ROOT / "services" / each).is_dir()]:
        pytest.skip(f"the faults are of the example services, and this project has no {', '.join(missing)}")
    try:
        engine = detect()
    except EngineError as error:
        pytest.skip(f"containers cannot run here: {error}")
    return engine, Assembly(ASSEMBLY)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_verdict_is_that_of_aws(fault: str, world: Any, tmp_path: Path) -> None:
    engine, assembly = world
    sign, why, given = FAULTS[fault]
    service = given.get("service", AUDIO)
    image = prepare(engine, assembly, [service])[service]
    played = play(
        ImageRuntime(engine, limits=limits_of(engine)),
        assembly,
        ROOT,
        tmp_path,
        **{"service": service, "image": image, **given},
    )
    played.require(sign, why)
