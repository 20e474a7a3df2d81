import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.repository import git
from nova_infra.assembly import AssembledStack, Assembly
from nova_infra.errors import NovaError
from nova_infra.rehearsal.delivery.definition import DeployAction, Pipeline, Stage
from nova_infra.rehearsal.pipeline import release as module
from nova_infra.rehearsal.pipeline.release import (
    Release,
    baseline_of,
    deployed_by_hand,
    one_after_the_other,
    runs_tasks,
    synthesize_checkout,
)


@pytest.fixture
def candidate(tmp_path: Path, sources: Path, write_assembly: Callable[..., Path]) -> Release:
    git(sources, "init", "-q")
    git(sources, "add", "-A")
    git(sources, "commit", "-qm", "first")
    return Release("candidate", Assembly(write_assembly(tmp_path / "assembly")), sources)


def deploy_action(release: Release) -> DeployAction:
    [action] = [a for stage in release.pipeline().stages for a in stage.actions if a.name == "Deploy"][-1:]
    assert isinstance(action, DeployAction)
    return action


def test_a_clean_tree_is_released_over_itself_under_another_name(candidate: Release) -> None:
    with baseline_of(candidate, "HEAD") as baseline:
        action = deploy_action(candidate)
        old, new = (release.template(action)["Resources"] for release in (baseline, candidate))
    [container] = old["Task"]["Properties"]["ContainerDefinitions"]
    assert container["Image"] == "registry/tiny:one-previous"
    assert {"Name": "RELEASE", "Value": "one-previous"} in container["Environment"]
    assert {key for key in new if new[key] != old[key]} == {"Task"}, "nothing but the release differs"
    assert "same as the candidate" in baseline.name


@pytest.mark.exhaustive("test_a_clean_tree_is_released_over_itself_under_another_name")
def test_a_release_over_itself_is_read_as_the_candidate_is(candidate: Release) -> None:
    with baseline_of(replace(candidate, app="python app.py"), "HEAD") as baseline:
        assert baseline.app == "python app.py", "it may have several pipelines, or none"


def test_a_changed_tree_is_released_over_a_checkout_that_is_gone_afterwards(
    candidate: Release, monkeypatch: pytest.MonkeyPatch, write_assembly: Callable[..., Path]
) -> None:
    monkeypatch.setattr(module, "synthesize_checkout", lambda checkout, *_, **__: write_assembly(checkout / "cdk.out"))
    server = candidate.sources / "services" / "tiny" / "src" / "serve.py"
    committed = server.read_text()
    (candidate.sources / "away").symlink_to("/nowhere/at/all")
    (candidate.sources / "near").symlink_to("nowhere")
    git(candidate.sources, "add", "away", "near")
    git(candidate.sources, "commit", "-qm", "second")
    server.write_text("changed")
    with baseline_of(candidate, "HEAD") as baseline:
        assert (baseline.sources / "services" / "tiny" / "src" / "serve.py").read_text() == committed
        assert (baseline.sources / "near").is_symlink()
        assert baseline.lacks == ("away",)
        assert baseline.template_of_stack("prod") == candidate.template(deploy_action(candidate))
        assert baseline.template_of_stack("nobody") is None
    assert not baseline.sources.exists()


def test_what_is_next_to_an_app_in_its_repository_is_checked_out_with_it(
    candidate: Release, monkeypatch: pytest.MonkeyPatch, write_assembly: Callable[..., Path]
) -> None:
    monkeypatch.setattr(module, "synthesize_checkout", lambda checkout, *_, **__: write_assembly(checkout / "cdk.out"))
    (candidate.sources / "web").mkdir()
    (candidate.sources / "web" / "Dockerfile").touch()
    git(candidate.sources, "add", "web")
    git(candidate.sources, "commit", "-qm", "second")
    (candidate.sources / "web" / "changed").touch()
    with baseline_of(replace(candidate, sources=candidate.sources / "services"), "HEAD") as baseline:
        assert sorted(each.name for each in baseline.sources.iterdir()) == ["cdk.out", "tiny"]
        assert [each.name for each in (baseline.sources.parent / "web").iterdir()] == ["Dockerfile"]


@pytest.mark.parametrize("same", [True, False])
def test_a_file_that_changes_nothing_of_an_app_is_no_release_over_another(
    same: bool, candidate: Release, monkeypatch: pytest.MonkeyPatch, write_assembly: Callable[..., Path]
) -> None:
    def synthesize(checkout: Path, *_: Any, **__: Any) -> None:
        template = candidate.assembly.directory / candidate.assembly.stacks()[0].template_path
        copy = write_assembly(checkout / "cdk.out") / template.relative_to(candidate.assembly.directory)
        copy.write_text(
            template.read_text() if same else json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
        )

    monkeypatch.setattr(module, "synthesize_checkout", synthesize)
    (candidate.sources / "package-lock.json").write_text("{}")
    with baseline_of(replace(candidate, app="node app.js"), "HEAD") as baseline:
        assert baseline.is_candidate == same


INFRA = "packages/infra/index.js"
LOCKS = ("package-lock.json", "yarn.lock", "pnpm-lock.yaml", "requirements-dev.txt", "uv.lock", "poetry.lock")


def install(root: Path, kind: str) -> None:
    """Install what a working tree holds itself, as package managers do."""
    packages = root / ".venv" / "lib" / "python3.11" / "site-packages"
    (packages / "infra-1.0.dist-info").mkdir(parents=True)
    (root / "node_modules" / "@acme").mkdir(parents=True)
    (root / "node_modules" / "plain").mkdir()
    (root / "node_modules" / ".bin").symlink_to("plain")
    of = {"url": f"file://{root}{'/packages/infra' if kind == 'direct' else ''}", "dir_info": {"editable": True}}
    match kind:
        case "workspace":
            (root / "node_modules" / "@acme" / "infra").symlink_to("../../packages/infra")
        case "nested":
            (root / "node_modules" / "web").symlink_to("../services")
            (root / "services" / "node_modules").mkdir()
            (root / "services" / "node_modules" / "infra").symlink_to("../../packages/infra")
        case "direct" | "root":
            (packages / "infra-1.0.dist-info" / "direct_url.json").write_text(json.dumps(of))
        case "path":
            (packages / "__editable__.infra.pth").write_text(f"import infra_finder\n{root}/packages/infra\n")


@pytest.mark.parametrize(
    ("kind", "changed", "doubt"),
    [
        *(("copies", lock, f"packages installed here, not those of its {lock}") for lock in LOCKS),
        *(
            (kind, INFRA, "working tree's packages/infra, not its own")
            for kind in ("workspace", "nested", "direct", "path")
        ),
        ("workspace", "packages/infra/new.js", "working tree's packages/infra, not its own"),
        ("root", "src/shop.py", "working tree's src, not its own"),
        ("root", INFRA, ""),
        ("copies", INFRA, ""),
        ("workspace", "app.js", ""),
    ],
)
@pytest.mark.parametrize("same", [True, False])
def test_a_baseline_that_is_made_with_the_working_trees_packages_is_doubted(
    kind: str,
    changed: str,
    doubt: str,
    same: bool,
    candidate: Release,
    monkeypatch: pytest.MonkeyPatch,
    write_assembly: Callable[..., Path],
) -> None:
    def synthesize(checkout: Path, *_: Any, **__: Any) -> None:
        template = candidate.assembly.directory / candidate.assembly.stacks()[0].template_path
        copy = write_assembly(checkout / "cdk.out") / template.relative_to(candidate.assembly.directory)
        copy.write_text(template.read_text() if same else json.dumps({"Resources": {}}))

    monkeypatch.setattr(module, "synthesize_checkout", synthesize)
    root = candidate.sources
    for name in (INFRA, "src/shop.py", "app.js", *LOCKS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"first {name}")
    (root / ".gitignore").write_text("node_modules\n.venv\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "second")
    install(root, kind)
    (root / changed).write_text("second")
    with baseline_of(replace(candidate, app="node app.js"), "HEAD") as baseline:
        assert baseline.is_candidate == same
        assert (doubt in " ".join(baseline.doubts)) if doubt else baseline.doubts == ()
        assert len(baseline.doubts) == bool(doubt)


@pytest.mark.parametrize("revision", ["no-such-branch", "", "--help"])
def test_an_unknown_baseline_is_refused_in_one_line(candidate: Release, revision: str) -> None:
    with pytest.raises(NovaError, match="is not a revision") as error, baseline_of(candidate, revision):
        pass
    assert "\n" not in str(error.value)


def test_a_baseline_that_does_not_synthesize_is_refused_with_what_it_said(
    candidate: Release,
) -> None:
    cdk = candidate.sources / "node_modules" / ".bin" / "cdk"
    cdk.parent.mkdir(parents=True)
    cdk.write_text("#!/bin/sh\necho 'nova.toml: broken' >&2; exit 1\n")
    cdk.chmod(0o755)
    (candidate.sources / "new-file").write_text(json.dumps({}))
    with pytest.raises(NovaError, match=r"does not synthesize \(nova.toml: broken\)"), baseline_of(candidate, "HEAD"):
        pass


@pytest.mark.parametrize("app", ["node app.js", "cdk.out", f"node {'x' * 300}"])
def test_an_earlier_commit_of_an_app_is_synthesized_with_the_packages_that_are_here(app: str, tmp_path: Path) -> None:
    root, checkout, bin_ = tmp_path / "root", tmp_path / "checkout", tmp_path / "root" / "node_modules" / ".bin"
    for each in (bin_, root / ".venv", root / "cdk.out", checkout / ".venv"):
        each.mkdir(parents=True)
    (root / "cdk.out" / "manifest.json").write_text("{}")
    (bin_ / "cdk").write_text('#!/bin/sh\necho "$@" >said; ls node_modules/.bin >>said; test ! -L .venv\n')
    (bin_ / "cdk").chmod(0o755)
    synthesize_checkout(checkout, root, app=app)
    given = f" --app {app}" if app != "cdk.out" else ""
    assert (checkout / "said").read_text() == f"synth --quiet --context rehearsed=true{given}\ncdk\n"
    assert not (checkout / "node_modules").exists(), "an image may be built of the checkout"


def test_an_app_without_a_pipeline_is_one_stage_in_the_order_of_its_stacks(tmp_path: Path) -> None:
    def stack(*after: str) -> dict[str, object]:
        properties = {"templateFile": "any.json"}
        return {"type": "aws:cloudformation:stack", "properties": properties, "dependencies": list(after)}

    artifacts = {"Web": stack("Network", "Data"), "Data": stack("Network"), "Network": stack()}
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": artifacts}))
    (tmp_path / "any.json").write_text(json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}))
    [stage] = Release("any", Assembly(tmp_path), tmp_path, app="cdk.out").pipeline().stages
    assert [[action.name for action in wave] for wave in stage.waves()] == [["Network"], ["Data"], ["Web"]]
    with pytest.raises(NovaError, match="no stack in it holds a pipeline"):
        Release("any", Assembly(tmp_path), tmp_path).pipeline()


@pytest.mark.parametrize(("provider", "stages"), [("CodeDeployToECS", ["Deploy"]), ("CloudFormation", ["Out"])])
def test_a_pipeline_that_deploys_no_stack_is_not_how_an_app_is_delivered(
    provider: str, stages: list[str], tmp_path: Path
) -> None:
    kind = {"Category": "Deploy", "Owner": "AWS", "Provider": provider, "Version": "1"}
    how = {"ActionMode": "CREATE_UPDATE", "StackName": "web", "TemplatePath": "Built::any.json"}
    action = {"Name": "Deploy", "RunOrder": 1, "ActionTypeId": kind, "Configuration": how}
    pipeline = {"Name": "own", "Stages": [{"Name": "Out", "Actions": [action]}]}
    resources = {"Own": {"Type": "AWS::CodePipeline::Pipeline", "Properties": pipeline}}
    artifacts = {"web": {"type": "aws:cloudformation:stack", "properties": {"templateFile": "any.json"}}}
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": artifacts}))
    (tmp_path / "any.json").write_text(json.dumps({"Resources": resources}))
    found = Release("any", Assembly(tmp_path), tmp_path, app="cdk.out").pipeline()
    assert [stage.name for stage in found.stages] == stages


def test_many_stacks_that_depend_on_all_before_them_are_put_in_order_at_once() -> None:
    names = [f"stack-{number}" for number in range(60)]
    stacks = [
        AssembledStack(name, name, "", "", "t.json", tuple(names[:number]), name) for number, name in enumerate(names)
    ]
    [stage] = deployed_by_hand(stacks).stages
    assert [action.run_order for action in stage.actions if isinstance(action, DeployAction)] == list(range(1, 61))


def test_several_pipelines_are_played_one_after_the_other() -> None:
    both = one_after_the_other([Pipeline(name, (Stage("Build", ()), Stage("Prod", ()))) for name in ("shop", "blog")])
    assert both.name == "shop and blog"
    assert [each.name for each in both.stages] == ["shop Build", "shop Prod", "blog Build", "blog Prod"]


def test_stacks_that_wait_for_each_other_are_named() -> None:
    stacks = [
        AssembledStack(name, name, "1", "r", f"{name}.json", (other,), name) for name, other in (("a", "b"), ("b", "a"))
    ]
    with pytest.raises(NovaError, match=r"manifest\.json: a and b wait for each other: run"):
        deployed_by_hand(stacks)
    with pytest.raises(NovaError, match=r"manifest\.json: a waits for itself: run"):
        deployed_by_hand([replace(stacks[0], dependencies=("a",))])


@pytest.mark.parametrize(
    ("kind", "properties", "runs"),
    [
        ("AWS::ECS::Service", {}, True),
        ("AWS::Events::Rule", {"ScheduleExpression": "rate(1 day)", "Targets": [{"EcsParameters": {}}]}, True),
        ("AWS::Scheduler::Schedule", {"ScheduleExpression": "rate(1 day)", "Target": {"EcsParameters": {}}}, True),
        ("AWS::Events::Rule", {"EventPattern": {}, "Targets": [{"EcsParameters": {}}]}, False),
        ("AWS::Events::Rule", {"ScheduleExpression": "rate(1 day)", "Targets": [{"Arn": "function"}]}, False),
    ],
)
def test_a_stack_runs_something_where_a_service_or_a_schedule_starts_tasks(
    kind: str, properties: dict[str, Any], runs: bool
) -> None:
    assert runs_tasks({"Resources": {"It": {"Type": kind, "Properties": properties}}}) == runs
