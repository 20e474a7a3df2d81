"""Finds what delivers a release: the pipeline in its assembly, or a workflow of GitHub Actions."""

import contextlib

from nova_infra.assembly import Template, resources_of_type
from nova_infra.config import CONFIG_FILE, load_config
from nova_infra.documents.files import UnreadableFileError, read_text
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.delivery.workflows.language.syntax import WorkflowError
from nova_infra.rehearsal.delivery.workflows.reader import Workflow, read_workflow
from nova_infra.rehearsal.ecs.rollout import read_rollout
from nova_infra.rehearsal.pipeline.release import Release

_WORKFLOW = ".github/workflows/deploy.yml"


def delivery_of(release: Release) -> Workflow:
    """What a push of the release starts.

    Raises:
        WorkflowError: GitHub Actions delivers, and its workflow cannot be read.
    """
    pipeline = release.pipeline()
    if release.app or not (release.sources / CONFIG_FILE).is_file():
        return Workflow(pipeline)
    config = load_config(release.sources)
    if config.delivery.engine != "github-actions":
        return Workflow(pipeline)
    path = release.sources / _WORKFLOW
    try:
        text = read_text(path)
    except (FileNotFoundError, UnreadableFileError) as error:
        why = error if isinstance(error, UnreadableFileError) else "does not exist"
        line = getattr(error, "line", 1)
        raise WorkflowError(f"{_WORKFLOW}:{line}: {why}: write it with `nova github workflow --write`") from None
    return read_workflow(
        path,
        text,
        pipeline,
        branch=config.source.branch,
        engine=config.delivery.engine,
        approved=[environment.name for environment in config.environments if environment.approval],
        bakes=lambda action: bake_minutes(release.template(action)),
        root=release.sources,
        services=[each.name for each in config.services],
    )


def bake_minutes(template: Template) -> int:
    """Minutes that the deployment of a template's services bakes, side by side; 0 where that is not known."""
    minutes = [0]
    for logical_id, resource in resources_of_type(template, "AWS::ECS::Service").items():
        with contextlib.suppress(UnresolvableError, AttributeError, KeyError, TypeError, ValueError):
            rollout = read_rollout(resource["Properties"].get("DeploymentConfiguration", {}), logical_id)
            minutes.append(sum(step.bake_minutes for step in rollout.steps))
    return max(minutes)
