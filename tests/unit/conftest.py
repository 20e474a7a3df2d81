"""Assemblies that the tests share: each is synthesized once per session, through the same function as the app's."""

import functools
import gc
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import botocore.hooks
import botocore.session
import pytest
import yaml
from filelock import FileLock

import helpers.assembly
from helpers.assembly import Assembly
from helpers.examples import QUICK, THOROUGH, load_profile
from helpers.exhaustive import MARKER, refuse_unrepresented
from helpers.own_project import guarded, refuse_what_is_the_users
from nova_infra import kernel
from nova_infra.deployed.connect import REHEARSAL_VARIABLE
from nova_infra.machine import tools

if TYPE_CHECKING:
    from nova_infra.config import Config

tools.prepare_node(os.environ)
kernel.connect_directly()
# Where a rehearsal's Build stage runs these tests, the release tools would ask that rehearsal.
os.environ.pop(REHEARSAL_VARIABLE, None)

# moto makes 1,300 machine images for every account, which takes longer than most tests and which none asks for.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
# moto reads every template as YAML, by the loader of this name: libyaml's is ten times as fast (and knows no `!Ref`).
setattr(yaml, "Loader", yaml.CLoader)  # noqa: B010 -- assigned, it would have to be the same class
# Every session of botocore would read the descriptions of AWS's services again.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)
# For every session it would work out again which of its hooks take keywords.
_takes_keywords = functools.cache(botocore.hooks.accepts_kwargs)
botocore.hooks.accepts_kwargs = lambda hook: _takes_keywords(getattr(hook, "__func__", hook))
# It would look up the event of every hook of every client in a list of names that nobody uses any more.
botocore.hooks.EVENT_ALIASES.clear()
# Git's samples of hooks are most of the files of a small repository.
os.environ["GIT_TEMPLATE_DIR"] = ""

# Python would look for garbage as often as is right for much smaller programs: a tenth of the time that the tests take.
gc.set_threshold(100_000, 50, 100)

ROOT = Path(__file__).parents[2]
EXAMPLE = Path(__file__).with_name("nova.toml")

# Every option away from its default: one account, another region, private network, token, shells, ARM, all strategies.
VARIANT = """
[platform]
name = "acme"
[toolchain]
account = "444444444444"
region = "us-east-1"
notifications = { emails = ["a@example.com"], slack = { workspace = "T01234567", channel = "C01234567" } }
[source]
repository = "acme/platform"
token_secret = "github-token"
[release]
together = true
wait_minutes = 35
[[environments]]
name = "test-eu"
account = "444444444444"
region = "eu-west-1"
tests = "e2e"
allow_plain_http = true
waf = true
on_failure = "retry"
rollout = { strategy = "linear", percent = 20, step_bake_minutes = 5, bake_minutes = 6, gate = "suite", load = "suite" }
[[environments]]
name = "live"
account = "444444444444"
region = "us-east-1"
approval = true
shared_account = "one account for all, as an example"
exec = true
waf = true
window = { cron = "* * 9-17 ? * MON-THU", time_zone = "Asia/Tokyo" }
domain = { name = "acme.example.com", zone_id = "Z0123456789" }
rollout = { strategy = "blue-green", gate = "person", gate_before = "steps", gate_minutes = 70 }
network = { cidr = "10.1.0.0/16", nat_gateways = 0, zones = ["a", "c", "d"], interface_endpoints = [
    "ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssmmessages"
] }
notifications = { emails = ["b@example.com"], slack = { workspace = "T01234567", channel = "C01234567" } }
[[services]]
name = "search"
kit = true
paths = ["/search", "/find/*"]
smoke = ["/search?q=a", "/find/b"]
priority = 7
cpu = 512
memory = 2048
architecture = "arm64"
port = 9000
environment = { LANGUAGE = "ja" }
secrets = { API_TOKEN = "acme/token" }
targets = { cpu_percent = 40, requests_per_minute = 300 }
alarms = { error_percent = 2.5, unanswered_percent = 100, min_requests = 50, latency_ms = 300, memory_percent = 70 }
"""


sys.addaudithook(refuse_what_is_the_users)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Load the tests of the platform without what is the user's."""
    with guarded():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run them without it, but for those that are about nothing else."""
    if item.get_closest_marker("own_project"):
        return (yield)
    with guarded():
        return (yield)


def pytest_xdist_auto_num_workers() -> int:
    """Run one worker more than there are processors: now and then each waits for processes that it has started."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    """Have the signals that stop a program stop what the tests start, and few examples where few cases are run.

    A shell that starts the tests in the background has them ignored, and a process passes on what it ignores.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, lambda *_: None)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)
    load_profile(QUICK if config.option.markexpr == f"not {MARKER}" else THOROUGH)


def pytest_collection_finish() -> None:
    """Leave what has been imported out of every search for garbage."""
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Leave what the tests have made out of the last ones: pytest searches five times, and then Python as it ends."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put those that synthesize first, those of the whole app before those of its parts.

    A process's first synthesis takes longest. Of several workers the first begins with the first tests, and so does all
    of them; the others take from its end when they have nothing left, and find there what is synthesized already. Where
    the parts of ``make unit`` run side by side, those without the tests of the app find it at their own end.
    """
    refuse_unrepresented(items, config.args)
    first = any(item.path.name == "test_app.py" for item in items)

    def rank(item: pytest.Item) -> tuple[bool, int]:
        synthesizes = not {"app", "synthesize"}.isdisjoint(getattr(item, "fixturenames", ()))
        return synthesizes != first, len(item.path.parts) if synthesizes else 0

    items.sort(key=rank)


@pytest.fixture
def nova(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], example: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command in this process: nova("status", "prod", directory=…, variables={…}) -> as subprocess.run does.

    It runs in the example's project unless told otherwise.

    A process of its own takes longer to start than most commands take. That the command works in one, from anywhere,
    is what the tests of ``test_cli.py`` and of the rollback on a terminal show.
    """
    from nova_infra.cli import main as cli

    def run(
        *arguments: str, directory: Path = example, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.chdir(directory)
            patch.setattr(sys, "argv", ["nova", *arguments])
            for name in tuple(os.environ) if variables is not None else ():
                patch.delenv(name)
            for name, value in (variables or {}).items():
                patch.setenv(name, value)
            try:
                with pytest.raises(SystemExit) as ended:
                    cli.main()
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def read_assembly() -> Callable[[Path], Assembly]:
    """Reads what a synthesis has written: read_assembly(directory) -> Assembly."""
    return helpers.assembly.read_assembly


@pytest.fixture(scope="session")
def app() -> ModuleType:
    """The module that makes the app. CDK takes a second to load and starts Node, so it is loaded for those who ask."""
    from nova_infra import app

    return app


@pytest.fixture(scope="session")
def synthesize(tmp_path_factory: pytest.TempPathFactory, worker_id: str, example: Path) -> Callable[..., Assembly]:
    """Synthesizes a configuration, checks included: synthesize(config, environment=…, image_tag=…) -> Assembly.

    Tests run in several processes. What one of them has synthesized, the others read.
    """
    base = tmp_path_factory.getbasetemp()
    shared = Path(os.environ.get("NOVA_SHARED") or (base if worker_id == "master" else base.parent))

    def run(config: "Config", **context: Any) -> Assembly:
        context.setdefault("image_tag", "abc123")
        key = hashlib.sha256(f"{config.model_dump_json()} {sorted(context.items())}".encode()).hexdigest()[:16]
        directory, done = shared / f"cdk.out-{key}", shared / f"cdk.out-{key}.done"
        with FileLock(f"{directory}.lock"):
            if not done.exists():
                from nova_infra.app import build_app

                build_app(config, root=example, outdir=directory, **context).synth()
                done.touch()
        return helpers.assembly.read_assembly(directory)

    return run


@pytest.fixture(scope="session")
def config() -> "Config":
    """An example's configuration: not the project's own, which its users edit."""
    from nova_infra.config import parse_config

    return parse_config(tomllib.loads(EXAMPLE.read_text()))


@pytest.fixture
def raw() -> dict[str, Any]:
    """The example's nova.toml, to be changed and parsed."""
    return tomllib.loads(EXAMPLE.read_text())


@pytest.fixture(scope="session")
def service_names(config: "Config") -> list[str]:
    """The names of the services in the example."""
    return [service.name for service in config.services]


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory, service_names: list[str]) -> Path:
    """A project of the example's configuration: its services are what `nova service add` writes. Nobody changes it."""
    from nova_infra.scaffold.editing.services import service_files

    directory = tmp_path_factory.mktemp("example")
    for file in (EXAMPLE, ROOT / "app.py", ROOT / "cdk.json", ROOT / "package.json", ROOT / "package-lock.json"):
        shutil.copy(file, directory)
    left_out = shutil.ignore_patterns("__pycache__", ".*_cache", "tests")
    shutil.copytree(ROOT / "services" / "kit", directory / "services" / "kit", ignore=left_out)
    shutil.copy(ROOT / "services" / ".dockerignore", directory / "services")
    for name in service_names:
        for path, content in service_files(name, "Does what its tests ask.").items():
            file = directory / "services" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
    (directory / "services" / service_names[0] / "src" / "handbook.md").write_text("A text that an image holds.\n")
    return directory


@pytest.fixture(scope="session")
def assembly(config: "Config", synthesize: Callable[..., Assembly]) -> Assembly:
    """The registry, the pipeline and its environments."""
    return synthesize(config)


@pytest.fixture(scope="session")
def github_config(config: "Config") -> "Config":
    """The example, delivered by GitHub Actions."""
    return config.model_copy(update={"delivery": config.delivery.model_copy(update={"engine": "github-actions"})})


@pytest.fixture(scope="session")
def github_assembly(github_config: "Config", synthesize: Callable[..., Assembly]) -> Assembly:
    """The registry, the environments and the roles that GitHub Actions delivers them by."""
    return synthesize(github_config)


@pytest.fixture
def variant_raw() -> dict[str, Any]:
    """The configuration of the variant, to be changed and parsed."""
    return tomllib.loads(VARIANT)


@pytest.fixture(scope="session")
def variant(synthesize: Callable[..., Assembly]) -> Assembly:
    """The same of a configuration with every option away from its default."""
    from nova_infra.config import parse_config

    return synthesize(parse_config(tomllib.loads(VARIANT)))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty account."""
    # Of all tests, few need it, and it takes a second to import.
    from moto import mock_aws

    from helpers.local_aws import REGION

    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(key, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws(config={"core": {"reset_boto3_session": True}}):
        yield
