"""Assemblies that the tests share: each is synthesized once per session, through the same function as the app's."""

import contextlib
import copy
import functools
import gc
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import hypothesis
import pytest
import yaml
from filelock import FileLock

from nova_infra.deployed.connect import REHEARSAL_VARIABLE

# How long an example takes says how busy the machine is, and nothing of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

os.environ.setdefault("JSII_NODE", str(Path(sys.executable).with_name("node")))
# Where a rehearsal's Build stage runs these tests, the release tools would ask that rehearsal.
os.environ.pop(REHEARSAL_VARIABLE, None)

# moto makes 1,300 machine images for every account, which takes longer than most tests and which none asks for.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
# moto reads every template as YAML, by the loader of this name: libyaml's is ten times as fast (and knows no `!Ref`).
yaml.Loader = yaml.CLoader
# Every session of botocore would read the descriptions of AWS's services again.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)
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
[[environments]]
name = "test-eu"
account = "444444444444"
region = "eu-west-1"
tests = "e2e"
allow_plain_http = true
waf = true
on_failure = "retry"
rollout = { strategy = "linear", percent = 20, step_bake_minutes = 5, bake_minutes = 6, gate = "person" }
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


_OWN = os.path.join(ROOT, "nova.toml"), os.path.join(ROOT, "services")  # noqa: PTH118 - compared with what is opened
_PLATFORMS = tuple(os.path.join(_OWN[1], name) for name in ("kit", "tests", "conftest.py", ".dockerignore"))  # noqa: PTH118
_guard = {"on": False}


def _refuse_what_is_the_users(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to read the project's own nova.toml and services: a test that does fails when somebody edits them."""
    if not _guard["on"] or event not in ("open", "os.listdir", "os.scandir"):
        return
    path = arguments[0]
    if isinstance(path, (str, bytes, os.PathLike)):
        path = os.fsdecode(path)
        if event == "open" and arguments[1] is None and not os.path.isabs(path):  # noqa: PTH117
            return  # `os.open`, relative to a directory that the event does not name
        path = os.path.abspath(path)  # noqa: PTH100 - not resolved: a link to it is another file
        if path.startswith(_OWN) and not path.startswith(_PLATFORMS):
            raise RuntimeError(f"{path}: is the user's: a test of the platform reads tests/unit/nova.toml, `example`")


sys.addaudithook(_refuse_what_is_the_users)


@contextlib.contextmanager
def _guarded() -> Iterator[None]:
    _guard["on"] = True
    try:
        yield
    finally:
        _guard["on"] = False


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Load the tests of the platform without what is the user's."""
    with _guarded():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run them without it, but for those that are about nothing else."""
    if item.get_closest_marker("own_project"):
        return (yield)
    with _guarded():
        return (yield)


def pytest_xdist_auto_num_workers() -> int:
    """Run one worker more than there are processors: now and then each waits for processes that it has started."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Leave what has been imported out of every search for garbage."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that synthesize first, those of the whole app before those of its parts.

    A process's first synthesis takes longest. The first worker begins with the first tests, and so does all of them;
    the others take from its end when they have nothing left, and find there what is synthesized already.
    """
    items.sort(
        key=lambda item: ({"app", "synthesize"}.isdisjoint(getattr(item, "fixturenames", ())), len(item.path.parts))
    )


@dataclass(frozen=True)
class Assembly:
    """A cloud assembly on disk.

    Attributes:
        templates: Stack name to template.
        texts: Stack name to template as it is written.
        report: The validation report.
        order: Stack name to the names of the stacks that it is deployed after.
        acknowledgements: Construct path and finding of each acknowledgement in the code.
        protected: Names of the stacks that `cdk deploy` protects from deletion.
    """

    templates: dict[str, dict[str, Any]]
    texts: dict[str, str]
    report: dict[str, Any]
    order: dict[str, set[str]]
    acknowledgements: set[tuple[str, str]]
    protected: set[str]

    def resources(self, stack: str, resource_type: str) -> dict[str, dict[str, Any]]:
        """Logical id to whole resource, of one type."""
        return {
            key: resource
            for key, resource in self.templates[stack]["Resources"].items()
            if resource["Type"] == resource_type
        }

    def properties(self, stack: str, resource_type: str) -> list[dict[str, Any]]:
        """Properties of each resource of a type."""
        return [resource.get("Properties", {}) for resource in self.resources(stack, resource_type).values()]

    def only(self, stack: str, resource_type: str) -> dict[str, Any]:
        """Properties of the one resource of a type."""
        [properties] = self.properties(stack, resource_type)
        return properties

    def template(self, stack: str) -> dict[str, Any]:
        """A template that may be changed."""
        return copy.deepcopy(self.templates[stack])


def _read(directory: Path) -> Assembly:
    texts: dict[str, str] = {}
    order: dict[str, set[str]] = {}
    protected: set[str] = set()
    for manifest in directory.rglob("manifest.json"):
        artifacts = json.loads(manifest.read_text())["artifacts"]
        names = {
            key: artifact["properties"].get("stackName", key)
            for key, artifact in artifacts.items()
            if artifact["type"] == "aws:cloudformation:stack"
        }
        for key, name in names.items():
            texts[name] = (manifest.parent / artifacts[key]["properties"]["templateFile"]).read_text()
            if artifacts[key]["properties"].get("terminationProtection"):
                protected.add(name)
            order[name] = {names[other] for other in artifacts[key].get("dependencies", []) if other in names}
    acknowledgements = {
        (path.lstrip("/"), finding)
        for file in directory.rglob("*.metadata.json")
        for path, entries in json.loads(file.read_text()).items()
        for entry in entries
        if entry["type"] == "aws:cdk:acknowledged-rules"
        for finding in entry["data"]
    }
    report = json.loads((directory / "validation-report.json").read_text())
    return Assembly(
        {name: json.loads(text) for name, text in texts.items()}, texts, report, order, acknowledgements, protected
    )


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
def read_assembly():
    """Reads what a synthesis has written: read_assembly(directory) -> Assembly."""
    return _read


@pytest.fixture(scope="session")
def app():
    """The module that makes the app. CDK takes a second to load and starts Node, so it is loaded for those who ask."""
    from nova_infra import app

    return app


@pytest.fixture(scope="session")
def synthesize(tmp_path_factory, worker_id, example):
    """Synthesizes a configuration, checks included: synthesize(config, environment=…, image_tag=…) -> Assembly.

    Tests run in several processes. What one of them has synthesized, the others read.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def run(config, **context) -> Assembly:
        context.setdefault("image_tag", "abc123")
        key = hashlib.sha256(f"{config.model_dump_json()} {sorted(context.items())}".encode()).hexdigest()[:16]
        directory, done = shared / f"cdk.out-{key}", shared / f"cdk.out-{key}.done"
        with FileLock(f"{directory}.lock"):
            if not done.exists():
                from nova_infra.app import build_app

                build_app(config, root=example, outdir=directory, **context).synth()
                done.touch()
        return _read(directory)

    return run


@pytest.fixture(scope="session")
def config():
    """An example's configuration: not the project's own, which its users edit."""
    from nova_infra.config import parse_config

    return parse_config(tomllib.loads(EXAMPLE.read_text()))


@pytest.fixture
def raw() -> dict[str, Any]:
    """The example's nova.toml, to be changed and parsed."""
    return tomllib.loads(EXAMPLE.read_text())


@pytest.fixture(scope="session")
def service_names(config) -> list[str]:
    """The names of the services in the example."""
    return [service.name for service in config.services]


@pytest.fixture(scope="session")
def example(tmp_path_factory, service_names) -> Path:
    """A project of the example's configuration: its services are what `nova service add` writes. Nobody changes it."""
    from nova_infra.scaffold.services import service_files

    directory = tmp_path_factory.mktemp("example")
    for file in (EXAMPLE, ROOT / "app.py", ROOT / "cdk.json", ROOT / "package.json"):
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
def assembly(config, synthesize) -> Assembly:
    """The registry, the pipeline and its environments."""
    return synthesize(config)


@pytest.fixture(scope="session")
def github_config(config):
    """The example, delivered by GitHub Actions."""
    return config.model_copy(update={"delivery": config.delivery.model_copy(update={"engine": "github-actions"})})


@pytest.fixture(scope="session")
def github_assembly(github_config, synthesize) -> Assembly:
    """The registry, the environments and the roles that GitHub Actions delivers them by."""
    return synthesize(github_config)


@pytest.fixture
def variant_raw() -> dict[str, Any]:
    """The configuration of the variant, to be changed and parsed."""
    return tomllib.loads(VARIANT)


@pytest.fixture(scope="session")
def variant(synthesize) -> Assembly:
    """The same of a configuration with every option away from its default."""
    from nova_infra.config import parse_config

    return synthesize(parse_config(tomllib.loads(VARIANT)))
