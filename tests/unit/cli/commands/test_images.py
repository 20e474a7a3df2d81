"""``nova image …`` in a project of its own, against a local implementation of ECR: what is printed, and how it ends."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from helpers.ecr import tags
from helpers.exhaustive import one_of_each
from helpers.repository import git
from nova_infra.config import Config, load_config
from nova_infra.errors import NovaError
from nova_infra.images import build as image_build
from nova_infra.images.dockerignore import DockerIgnore
from nova_infra.images.registry import Registry
from nova_infra.images.tags import image_sources, image_tags

MANIFEST = '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []}'
CARTS = "nova/carts-service"
NOTHING = '{"matches": []}'
SERVICES = ("carts-service", "store-service", "bills-service", "orders-service")


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    """What images are built from, and the example's configuration, committed."""
    directory = tmp_path_factory.mktemp("committed")
    shutil.copytree(example, directory, dirs_exist_ok=True)
    with contextlib.chdir(directory):
        git(Path(), "init", "--quiet")
        git(Path(), "add", ".")
        git(Path(), "commit", "--quiet", "--message", "first")
        git(Path(), "gc", "--quiet")
    return directory


@pytest.fixture
def project(committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that a test may change; the current directory."""
    shutil.copytree(committed, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ecr(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Repositories for all services but the last; a docker that pushes; scans that find nothing."""
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(key, "testing")
    clean: dict[str, object] = {"status": {"status": "ACTIVE"}, "complete": True, "enhanced": [], "basic": []}
    monkeypatch.setattr(Registry, "scan", lambda *_: clean)
    monkeypatch.setattr(Registry, "signing", lambda *_: [("COMPLETE", "")])
    with mock_aws():
        client = boto3.client("ecr", region_name="us-east-1")
        for name in SERVICES[:-1]:
            client.create_repository(repositoryName=f"nova/{name}", imageTagMutability="IMMUTABLE")

        def docker(*arguments: str, **_: object) -> str:
            write_archive(arguments)
            pushed = [each for each in arguments if each.startswith("--output=type=image")]
            for target in (each.split("name=")[1].split(",")[0] for each in pushed):
                repository, tag = target.partition("/")[2].rsplit(":", 1)
                client.put_image(repositoryName=repository, imageManifest=MANIFEST, imageTag=tag)
            return vulnerable.get("found", NOTHING) if arguments[0] == "run" else ""

        client.vulnerable = vulnerable = dict[str, str]()
        monkeypatch.setattr(image_build, "docker", docker)
        monkeypatch.setattr("nova_infra.images.build.shutil.which", lambda name: f"/bin/{name}")
        yield client


def write_archive(arguments: tuple[str, ...]) -> str:
    """As a build does that was asked for the image as a file."""
    for word in arguments:
        if word.startswith("--output=type=oci,dest="):
            Path(word.split("dest=")[1].split(",")[0]).touch()
    return NOTHING


def commit(path: Path, content: str) -> None:
    path.write_text(content)
    git(Path(), "add", "--all")
    git(Path(), "commit", "--quiet", "--message", path.name)


def deliver(ecr: Any, run: Any, config: Config) -> list[str]:
    """Build every service's image as the Images stage does; the services whose images were built anew."""
    built = []
    for service in config.services:
        code, out, _ = run("image", "build", service.name, "--release")
        assert code == 0
        built += [service.name] if out.startswith("built and pushed") else []
    return built


def stacks_that_run(assembly: Any, service: str) -> set[str]:
    """The stacks whose templates name a service's image: no other template can change with it."""
    return {name for name, text in assembly.texts.items() if f"/nova/{service}:abc123" in text}


@pytest.mark.exhaustive("test_an_image_is_built_once_and_every_release_of_it_only_tagged")
@pytest.mark.parametrize(
    ("file", "touched"),
    one_of_each(
        [
            ("services/carts-service/src/carts_service/main.py", {"carts-service"}),
            ("services/carts-service/tests/test_main.py", set()),
            ("docs/operations.md", set()),
            ("README.md", set()),
            ("services/kit/src/nova_kit/app.py", "every service"),
        ]
    ),
)
def test_a_commit_builds_and_deploys_what_it_touches_and_nothing_else(
    project: Path, ecr: Any, run: Any, config: Config, assembly: Any, file: str, touched: set[str] | str
) -> None:
    every = [service.name for service in config.services]
    built = [name for name in every if touched == "every service" or name in touched]
    for name in every[3:]:
        ecr.create_repository(repositoryName=f"nova/{name}", imageTagMutability="IMMUTABLE")
    assert deliver(ecr, run, config) == every
    before = image_tags(project, config)
    (project / file).parent.mkdir(parents=True, exist_ok=True)
    commit(project / file, "changed = True\n")
    assert deliver(ecr, run, config) == built
    after = image_tags(project, config)
    assert [name for name in before if before[name] != after[name]] == built
    changed = {stack for service in built for stack in stacks_that_run(assembly, service)}
    assert changed == {
        f"nova-{environment}-{service}" for environment in ("dev", "staging", "prod") for service in built
    }


def test_no_template_but_a_services_own_names_an_image(assembly: Any, config: Config) -> None:
    naming = {name for name, text in assembly.texts.items() if "abc123" in text}
    assert naming == {stack for service in config.services for stack in stacks_that_run(assembly, service.name)}


def test_no_push_that_changes_an_image_counts_as_documentation(example: Path, config: Config) -> None:
    ignored = DockerIgnore.parse("\n".join(config.source.ignore_paths))  # the two kinds of pattern agree on these
    files = {f"services/{file.path}" for source in image_sources(example, config) for file in source.files}
    assert {file for file in files if file.endswith(".md")}, "there is a text in an image to be tested with"
    assert {file for file in files if ignored.ignores(file)} == set()


@pytest.fixture
def run(nova: Any, project: Path) -> Any:
    """Runs the command in the project: run("image", "tag") -> exit code, output, errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        ended = nova(*arguments, directory=project)
        return ended.returncode, ended.stdout, ended.stderr

    return run


def content(project: Path, service: str = "carts-service") -> str:
    return image_tags(project, load_config(project))[service]


def test_an_image_is_built_once_and_every_release_of_it_only_tagged(project: Path, ecr: Any, run: Any) -> None:
    tag, first = content(project), git(Path(), "rev-parse", "HEAD")
    code, out, _ = run("image", "build", "carts-service", "--release")
    assert (code, out.splitlines()) == (
        0,
        [
            f"built and pushed {CARTS}:{tag}",
            f"{CARTS}: scanned: 0 serious vulnerabilities that have no fix or are accepted",
            f"{CARTS}:{tag} is {first}",
        ],
    )
    (project / "README.md").write_text("only documentation")
    git(Path(), "add", ".")
    git(Path(), "commit", "--quiet", "--message", "second")
    code, out, _ = run("image", "build", "carts-service", "--release")
    assert out.startswith(f"{CARTS}:{tag} is in the registry already: not built again")
    assert tags(ecr, CARTS) == {tag, first, git(Path(), "rev-parse", "HEAD")}


def test_a_tree_with_changes_is_no_release_and_nothing_is_pushed(project: Path, ecr: Any, run: Any) -> None:
    (project / "services" / "carts-service" / "src" / "carts_service" / "main.py").write_text("")
    code, out, err = run("image", "build", "carts-service", "--release")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "--release: the files here are not those of a commit: commit or stash what git status lists"
    ]
    assert tags(ecr, CARTS) == set()
    assert run("image", "build", "carts-service")[0] == 0


def test_an_archive_without_git_is_released_as_the_commit_that_codebuild_names(
    project: Path, ecr: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(project / ".git")
    assert run("image", "build", "carts-service", "--release")[0] == 2
    monkeypatch.setenv("CODEBUILD_RESOLVED_SOURCE_VERSION", "c0ffee")
    assert run("image", "build", "carts-service", "--release")[0] == 0
    assert tags(ecr, CARTS) == {content(project), "c0ffee"}


@pytest.mark.parametrize("fails", ["scan", "push"])
def test_a_release_tag_is_on_no_image_that_is_not_whole_and_clean(
    project: Path, ecr: Any, run: Any, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    if fails == "scan":
        finding = {"name": "CVE-1", "severity": "HIGH", "attributes": []}
        scan = {"status": {"status": "COMPLETE"}, "complete": True, "enhanced": [], "basic": [finding]}
        monkeypatch.setattr(Registry, "scan", lambda *_: scan)
    else:
        monkeypatch.setattr(image_build, "docker", lambda *arguments, **_: write_archive(arguments))
    code, _, err = run("image", "build", "carts-service", "--release")
    assert (code, len(err.splitlines())) == ((1, 1) if fails == "scan" else (2, 1))
    assert git(Path(), "rev-parse", "HEAD") not in tags(ecr, CARTS)


def test_one_command_makes_every_image_and_one_that_fails_keeps_none_from_being_built(
    project: Path, ecr: Any, run: Any
) -> None:
    code, _, said = run("image", "build", "--architecture", "x86-64", "--release")
    assert code
    assert "nova/orders-service" in said
    for service in SERVICES[:-1]:
        assert tags(ecr, f"nova/{service}") == {content(project, service)}, "built, and not yet a release"
    ecr.create_repository(repositoryName="nova/orders-service", imageTagMutability="IMMUTABLE")
    code, out, _ = run("image", "build", "--architecture", "x86-64", "--release")
    assert (code, out.count("not built again")) == (0, 3)
    commit_ = git(Path(), "rev-parse", "HEAD")
    for service in SERVICES:
        assert tags(ecr, f"nova/{service}") == {content(project, service), commit_}


@pytest.mark.exhaustive("test_one_command_makes_every_image_and_one_that_fails_keeps_none_from_being_built")
def test_one_image_that_may_not_be_deployed_keeps_the_release_from_all_of_them(
    project: Path, ecr: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ecr.create_repository(repositoryName="nova/orders-service", imageTagMutability="IMMUTABLE")
    clean = Registry.scan

    def scan(registry: Registry, *arguments: Any) -> Any:
        if registry.name == CARTS:
            raise NovaError(f"{CARTS}: has a serious vulnerability")
        return clean(registry, *arguments)

    monkeypatch.setattr(Registry, "scan", scan)
    code, _, said = run("image", "build", "--architecture", "x86-64", "--release")
    assert (code, said.strip()) == (2, f"{CARTS}: has a serious vulnerability")
    for service in SERVICES:
        assert tags(ecr, f"nova/{service}") == {content(project, service)}


def test_which_images_are_meant_has_to_be_said(project: Path, ecr: Any, run: Any) -> None:
    for arguments in ((), ("carts-service", "--architecture", "x86-64")):
        assert "services: name them, or pass --architecture" in run("image", "build", *arguments)[2]
    assert "choose one of x86-64" in run("image", "build", "--architecture", "arm64")[2]


def test_images_that_are_missing_are_all_named(project: Path, ecr: Any, run: Any) -> None:
    run("image", "build", "carts-service")
    code, out, err = run("image", "exists", "carts-service", "store-service", "bills-service")
    assert (code, out) == (2, f"{CARTS}:{content(project)} is in the registry\n")
    assert err.splitlines() == [
        f"nova/store-service:{content(project, 'store-service')}, nova/bills-service:"
        f"{content(project, 'bills-service')}: not in the registry: build it with nova image build"
    ]
    assert run("image", "exists", "carts-service") == (0, f"{CARTS}:{content(project)} is in the registry\n", "")


def test_a_release_gets_a_further_name_from_the_files_or_from_another_name(project: Path, ecr: Any, run: Any) -> None:
    run("image", "build", "carts-service")
    assert run("image", "promote", "v1", "carts-service")[:2] == (0, f"{CARTS}:{content(project)} is v1\n")
    assert run("image", "promote", "stable", "carts-service", "--from", "v1")[0] == 0
    assert tags(ecr, CARTS) == {content(project), "v1", "stable"}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    one_of_each(
        [
            (("promote", "v1", "carts-service"), "not in the registry"),
            (("promote", "v1", "carts-service", "--from", "v0"), "not in the registry"),
            (("promote", "a/b"), "is not an image tag"),
            (("promote", "v1", "carts-service", "--from", "a b"), "is not an image tag"),
            (("promote", "v1"), "there is no such repository"),
            (("scan", "carts-service"), "not in the registry"),
            (("exists", "orders-service"), "there is no such repository"),
            (("build", "orders-service"), "there is no such repository"),
            (("build", "radio-service"), "is not one of"),
        ],
        kind=lambda case: case[1],
    ),
)
def test_what_cannot_be_done_is_refused_in_one_line_and_nothing_is_pushed(
    project: Path, ecr: Any, run: Any, arguments: tuple[str, ...], fault: str
) -> None:
    code, out, err = run("image", *arguments)
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    assert fault in line
    assert tags(ecr, CARTS) == set()


def test_every_image_is_judged_again_and_every_fault_is_named(
    project: Path, ecr: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in ("carts-service", "store-service"):
        run("image", "build", service)
    finding = {"name": "CVE-1", "severity": "HIGH", "attributes": []}
    scan = {"status": {"status": "COMPLETE"}, "complete": True, "enhanced": [], "basic": [finding]}
    monkeypatch.setattr(Registry, "scan", lambda *_: scan)
    code, _, err = run("image", "scan", "carts-service", "store-service")
    assert code == 1
    assert [line.partition(":")[0] for line in err.splitlines()] == [CARTS, "nova/store-service"]
    accepted = "[[accepted]]\nid = 'CVE-1'\nreason = 'never reached here'\nexpires = 9999-12-31\n"
    (project / "accepted-vulnerabilities.toml").write_text(accepted)
    assert run("image", "scan", "carts-service", "store-service")[0] == 0


def test_a_file_that_git_does_not_know_is_named_beside_the_tags(project: Path, run: Any) -> None:
    before = run("image", "tag")[1]
    (project / "services" / "kit" / "src" / "nova_kit" / "new.py").write_text("")
    code, out, err = run("image", "tag")
    assert (code, out) == (0, before)
    assert err.startswith("services/kit/src/nova_kit/new.py: is left out of the tag and the image")


def test_an_image_in_which_the_scanner_finds_something_is_not_pushed_until_somebody_accepts_it(
    project: Path, ecr: Any, run: Any
) -> None:
    found = {"id": "CVE-2026-1", "severity": "High", "fix": {"state": "fixed", "versions": ["2"]}}
    match = {"vulnerability": found, "artifact": {"name": "libx", "version": "1"}}
    ecr.vulnerable["found"] = json.dumps({"matches": [match]})
    code, _, said = run("image", "build", "carts-service")
    assert code == 1
    assert "carts-service: CVE-2026-1 (HIGH) in libx 1 → 2: update the lock or the base image" in said
    assert ecr.list_images(repositoryName=CARTS)["imageIds"] == []
    accepted = '[[accepted]]\nid = "CVE-2026-1"\nreason = "nothing calls it"\nexpires = 2999-01-01\n'
    (project / "accepted-vulnerabilities.toml").write_text(accepted)
    assert run("image", "build", "carts-service")[0] == 0
    assert len(ecr.list_images(repositoryName=CARTS)["imageIds"]) == 1
