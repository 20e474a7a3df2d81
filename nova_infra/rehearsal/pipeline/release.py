"""The candidate and the baseline of a rehearsal: each is an assembly and its sources."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from nova_infra.assembly import AssembledStack, Assembly, AssemblyError, Template, resources_of_type
from nova_infra.config import aws_regions
from nova_infra.documents.text import listed
from nova_infra.errors import NovaError
from nova_infra.machine import git
from nova_infra.machine.processes import run_to_end
from nova_infra.machine.scratch import scratch_directory
from nova_infra.machine.tools import PACKAGES
from nova_infra.rehearsal.cloudformation.left_out import check_readable, playable
from nova_infra.rehearsal.cloudformation.nested import flattened
from nova_infra.rehearsal.cloudformation.physical import Home
from nova_infra.rehearsal.delivery.definition import DeployAction, Pipeline, Stage, read_pipeline
from nova_infra.rehearsal.pipeline.edits import Edit, previous_images
from nova_infra.synthesis import is_file, synthesized_without


@dataclass(frozen=True)
class Release:
    """One release.

    Attributes:
        sources: The checkout whose ``services/`` its images would be built from.
        app: The command that synthesizes it, as cdk.json's ``app``; empty for a project of Nova.
        lacks: Links of its commit that its sources lack, because they lead out of it.
        is_candidate: Whether it is a baseline that is the candidate itself, for want of another.
        doubts: Why its templates may be others than its commit's, a clause each.
    """

    name: str
    assembly: Assembly
    sources: Path
    edits: tuple[Edit, ...] = ()
    app: str = ""
    lacks: tuple[str, ...] = ()
    is_candidate: bool = False
    doubts: tuple[str, ...] = ()

    @property
    def stands_in(self) -> bool:
        """Whether it is somebody's app in place of an earlier release of it, of which nothing is known."""
        return self.is_candidate and bool(self.app)

    def pipeline(self) -> Pipeline:
        """Its pipeline; of an app without one, what ``cdk deploy --all`` does, and of one with several, all of them.

        One that deploys no stack, but hands images to ECS or CodeDeploy, delivers something else.
        """
        paths = (
            [path for path in self.assembly.pipelines() if _deploys(self.assembly.template(path))] if self.app else []
        )
        if self.app and not paths:
            return deployed_by_hand(self.assembly.stacks())
        if len(paths) > 1:
            return one_after_the_other([read_pipeline(self.assembly.template(path)) for path in paths])
        return read_pipeline(self.assembly.template(paths[0]) if paths else self.assembly.pipeline_template())

    def template(self, action: DeployAction) -> Template:
        """The template that an action of its pipeline deploys, in which what cannot be played says so."""
        return playable(self.deployed(action))

    def deployed(self, action: DeployAction) -> Template:
        """The template that an action of its pipeline deploys, as CloudFormation gets it."""
        beside = PurePosixPath(action.template_path).parent
        template = flattened(
            self.assembly.template(action.template_path), lambda path: self.assembly.template(str(beside / path))
        )
        check_readable(template, action.stack_name)
        for edit in self.edits:
            template = edit(template)
        return template

    def template_of_stack(self, stack_name: str) -> Template | None:
        """The template of a stack, wherever its pipeline deploys it; None where it does not."""
        for stage in self.pipeline().stages:
            for action in stage.actions:
                if isinstance(action, DeployAction) and action.stack_name == stack_name:
                    return self.template(action)
        return None


def _deploys(template: Template) -> bool:
    """Whether a pipeline of a template deploys stacks."""
    pipelines = resources_of_type(template, "AWS::CodePipeline::Pipeline").values()
    return "'Provider': 'CloudFormation'" in str([each.get("Properties", {}).get("Stages") for each in pipelines])


def deployed_by_hand(stacks: Sequence[AssembledStack]) -> Pipeline:
    """One stage that deploys stacks, each after those that it depends on."""
    by_id = {stack.artifact_id: stack for stack in stacks}
    order = dict.fromkeys(by_id, 0)
    try:
        for name in TopologicalSorter({each: by_id[each].dependencies for each in by_id}).static_order():
            if name in by_id:
                order[name] = 1 + max((order.get(each, 0) for each in by_id[name].dependencies), default=0)
    except CycleError as error:
        names = sorted({*error.args[1]})
        fault = f"{' and '.join(names)} wait for each other" if len(names) > 1 else f"{names[0]} waits for itself"
        raise AssemblyError.of(f"manifest.json: {fault}") from None
    actions = [DeployAction(e.name, order[e.artifact_id], e.name, e.template_path, None) for e in stacks]
    return Pipeline("cdk deploy", (Stage("Deploy", tuple(actions)),))


def one_after_the_other(pipelines: Sequence[Pipeline]) -> Pipeline:
    """Several pipelines as one, whose stages say which one they belong to."""
    stages = [replace(stage, name=f"{each.name} {stage.name}") for each in pipelines for stage in each.stages]
    return replace(pipelines[0], name=" and ".join(each.name for each in pipelines), stages=tuple(stages))


def home_of(release: Release, stage: Stage) -> Home | None:
    """The account and region that a stage deploys to; None where the assembly does not say."""
    names = set(_stacks_of(stage))
    for stack in release.assembly.stacks():
        if stack.name in names and stack.account.isdigit() and stack.region in aws_regions():
            return Home(stack.account, stack.region)
    return None


def templates_of(stage: Stage, *releases: Release) -> list[Template]:
    """Every template that one of some releases deploys in a stage."""
    found = (release.template_of_stack(name) for release in releases for name in _stacks_of(stage))
    return [template for template in found if template is not None]


def left_out(release: Release, stage: Stage) -> dict[str, Template]:
    """The stacks of a stage that are not played: a drill leaves out all but one service."""
    wholes = [each for each in release.pipeline().stages if each.name == stage.name]
    names = {name for whole in wholes for name in _stacks_of(whole)} - set(_stacks_of(stage))
    found = {name: release.template_of_stack(name) for name in sorted(names)}
    return {name: template for name, template in found.items() if template is not None}


_SCHEDULES = ("AWS::Events::Rule", "AWS::Scheduler::Schedule")


def runs_tasks(template: Template) -> bool:
    """Whether a stack has anything that runs: a service, the machine of a job, or a schedule that starts a task."""
    if any(resources_of_type(template, kind) for kind in ("AWS::ECS::Service", "AWS::StepFunctions::StateMachine")):
        return True
    starts = [each for kind in _SCHEDULES for each in resources_of_type(template, kind).values()]
    return any({"EcsParameters", "ScheduleExpression"} <= set(re.findall(r"\w+", repr(each))) for each in starts)


def _stacks_of(stage: Stage) -> list[str]:
    return [action.stack_name for action in stage.actions if isinstance(action, DeployAction)]


@contextmanager
def baseline_of(candidate: Release, revision: str) -> Iterator[Release]:
    """The release of a git revision, to rehearse a candidate against; its checkout is removed afterwards.

    A candidate that is the very same tree would change nothing. It is then released over itself, under a new name, so
    that there is a rollout to see.

    Raises:
        NovaError: There is no such revision, or it does not synthesize.
    """
    root = candidate.sources
    if fault := git.why_unreadable(root, revision):
        if candidate.app and revision == "HEAD":
            yield _over_itself(candidate, "the same release, as there is no commit")
            return
        raise NovaError(f"baseline: {fault}")
    commit = git.read(root, "rev-parse", "--verify", f"{revision}^{{commit}}")
    assert commit, "it can be read"
    if _same_tree(root, commit):
        yield _over_itself(candidate, f"{commit[:10]}, the same as the candidate")
        return
    with scratch_directory("baseline") as directory:
        # All of the repository: what an app builds may be next to it there.
        top = git.top_of(root)
        links = git.check_out(top, commit, Path(directory))
        checkout = Path(directory) / root.resolve().relative_to(top.resolve())
        synthesize_checkout(checkout, root, app=candidate.app)
        before, doubts = Assembly(checkout / "cdk.out"), tuple(_foreign_packages(root, checkout, commit))
        if candidate.app and _templates(before) == _templates(candidate.assembly):
            itself = _over_itself(candidate, f"{commit[:10]}, which deploys the same as the candidate")
            yield replace(itself, doubts=doubts)
        else:
            yield Release(commit[:10], before, checkout, app=candidate.app, lacks=tuple(links), doubts=doubts)


_LOCKS = (
    *("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"),
    *("requirements*.txt", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"),
)


def _foreign_packages(root: Path, checkout: Path, commit: str) -> Iterator[str]:
    """Why an earlier commit is not synthesized with its own packages: those of the working tree are installed."""

    def read(path: Path) -> bytes | None:
        return path.read_bytes() if path.is_file() else None

    found = {path.name for each in _LOCKS for place in (root, checkout) for path in place.glob(each)}
    if locks := [each for each in sorted(found) if read(root / each) != read(checkout / each)]:
        yield f"the baseline's templates are made with the packages installed here, not those of its {listed(locks, 3)}"
    changed = [each for each in sorted(_linked_packages(root)) if _differs(root, commit, each)]
    if changed:
        yield f"the baseline's templates are made with the working tree's {listed(changed, 3)}, not its own"


def _differs(root: Path, commit: str, place: str) -> bool:
    """Whether the working tree has something else in a directory than a commit."""
    return bool(
        git.read(root, "diff", "--name-only", commit, "--", place)
        or git.read(root, "ls-files", "--others", "--exclude-standard", "--", place)
    )


def _linked_packages(root: Path) -> set[str]:
    """Directories of a working tree whose sources are its own installed packages: of workspaces, and editable ones.

    A package at its root is read from the checkout, which comes first on Python's path, except one in its ``src``.
    See https://packaging.python.org/en/latest/specifications/direct-url/
    """
    whole, (environment, modules) = root.resolve(), (root / each for each in PACKAGES)
    made = [whole / each for each in PACKAGES]
    found: set[Path] = set()
    waiting = [*_links_of_python(environment), *_links_of_node(modules)]
    while waiting:
        place = waiting.pop().resolve()
        place = place / "src" if place == whole else place
        is_own = place.is_relative_to(whole) and place.is_dir() and not any(map(place.is_relative_to, made))
        if is_own and place not in found:
            found.add(place)
            waiting += _links_of_node(place / "node_modules")
    return {place.relative_to(whole).as_posix() for place in found}


def _links_of_node(modules: Path) -> list[Path]:
    return [path for each in ("*", "@*/*") for path in modules.glob(each) if path.is_symlink()]


def _links_of_python(environment: Path) -> Iterator[Path]:
    for path in environment.glob("lib/python*/site-packages/*.pth"):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        yield from (path.parent / line for line in lines if line and not line.startswith(("#", "import")))
    for path in environment.glob("lib/python*/site-packages/*.dist-info/direct_url.json"):
        url = re.search(r'"file://([^"]*)"', path.read_text(encoding="utf-8", errors="replace"))
        yield from [Path(unquote(url.group(1)))] if url else []


def _templates(assembly: Assembly) -> dict[str, Template]:
    """What an assembly deploys: names of images in it are hashes of what they are built from."""
    return {each.artifact_id: assembly.template(each.template_path) for each in assembly.stacks()}


def _over_itself(candidate: Release, name: str) -> Release:
    return replace(candidate, name=name, edits=(previous_images,), is_candidate=True)


def _same_tree(root: Path, commit: str) -> bool:
    changed = git.read(root, "status", "--porcelain")
    return changed == "" and git.read(root, "rev-parse", "HEAD") == commit


def synthesize_checkout(checkout: Path, root: Path, *, app: str) -> None:
    """Synthesize a checkout with this installation's Python, Node and CDK CLI, or as somebody's own app.

    Args:
        root: The working tree, whose packages are those of an app's earlier commits as well: none holds its own.
        app: The command; where it is the directory of the working tree's assembly, the commit's ``cdk.json`` has it.
    """
    path = os.pathsep.join(
        [str(root / "node_modules" / ".bin"), str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    )
    cdk = shutil.which("cdk", path=path)
    if cdk is None:
        remedy = "install the CDK CLI with `npm install aws-cdk`" if app else "run `make setup`, then `make rehearse`"
        raise NovaError(f"cdk: not found: {remedy}")
    words = [cdk, "synth", "--quiet", "--context", "rehearsed=true"]
    if not is_file(root / (app or "no such") / "manifest.json"):
        words += ["--app", app or f"{shlex.quote(sys.executable)} app.py"]
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(checkout)}
    with _lent(root, checkout, PACKAGES if app else ()):
        code, said = run_to_end(words, directory=checkout, environment=environment, quiet=True)
        if code and not synthesized_without(words, checkout / "cdk.out", directory=checkout, environment=environment):
            last = next((line for line in reversed(said.splitlines()) if line.strip()), "no message")
            raise NovaError(f"baseline: it does not synthesize ({last.strip()}): name another with --baseline")


@contextmanager
def _lent(root: Path, checkout: Path, names: Iterable[str]) -> Iterator[None]:
    """Lend a checkout directories of the working tree for a while, where it has none of that name."""
    lent = [checkout / name for name in names if (root / name).is_dir() and not os.path.lexists(checkout / name)]
    for each in lent:
        each.symlink_to(root / each.name)
    try:
        yield
    finally:
        for each in lent:
            each.unlink()
