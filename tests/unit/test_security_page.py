"""What SECURITY.md says: the places, rules and commands that it names, and of the pipeline what its template shows."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.assembly import Assembly
from helpers.templates import PAGE, Template, commands, nobody_may, permissions, projects, properties, role_of, steps
from nova_infra.checks.permissions.statements import allowing

ROOT = Path(__file__).parents[2]


def write_into_one_group(template: Template) -> bool:
    return len({json.dumps(each["LogsConfig"]["CloudWatchLogs"]["GroupName"]) for each in projects(template)}) == 1


def have_no_cache(template: Template) -> bool:
    return {each["Cache"]["Type"] for each in projects(template)} == {"NO_CACHE"}


def keeps_the_version_before_for_a_day(template: Template) -> bool:
    return all(
        bucket["VersioningConfiguration"]["Status"] == "Enabled"
        and [rule.get("NoncurrentVersionExpiration") for rule in bucket["LifecycleConfiguration"]["Rules"]]
        == [{"NoncurrentDays": 1}]
        for bucket in properties(template, "AWS::S3::Bucket")
    )


def give_no_longer_session(template: Template) -> bool:
    return all(role.get("MaxSessionDuration", 3600) <= 3600 for role in properties(template, "AWS::IAM::Role"))


def using(template: Template) -> Iterator[list[dict[str, Any]]]:
    """The statements about the connection, of each policy that lets somebody use it."""
    for each in properties(template, "AWS::IAM::Policy"):
        about = [s for s in each["PolicyDocument"]["Statement"] if "UseConnection" in json.dumps(s["Action"])]
        if any(statement["Effect"] == "Allow" for statement in about):
            yield about


def deny_writing_and_other_repositories(template: Template) -> bool:
    """By both names of the service."""
    names = ("codeconnections", "codestar-connections")
    wanted = {f"{name}:{key}" for name in names for key in ("FullRepositoryId", "ProviderPermissionsRequired")}
    denials = ([each.get("Condition", {}) for each in about if each["Effect"] == "Deny"] for about in using(template))
    return all(wanted <= {key for each in denied for keys in each.values() for key in keys} for denied in denials)


def begin_by_comparing_the_assembly(template: Template) -> bool:
    about = ("SelfMutate", "Brief", "Preflight", "Publish", "Gate", "Verify")
    first = [commands(project)[0] for stage, name, project in steps(template) if name in about or stage == "Assets"]
    return len(first) > 4 and all('"$ASSEMBLY" || {' in each for each in first)


def refuse_other_tools(template: Template) -> bool:
    """Before the first make target, which runs what the digest is of."""
    judging = [commands(each) for _, name, each in steps(template) if name in ("Brief", "Preflight", "Gate", "Verify")]
    digest = re.compile(r"find -L Makefile .* = [0-9a-f]{64} \|\|")
    return bool(judging) and all(digest.search("".join(each).partition("make setup")[0]) for each in judging)


def take_only_the_observer_of_production(template: Template) -> bool:
    """Production's roles are those that steps take after the first approval, and what is named like them."""
    [pipeline] = properties(template, "AWS::CodePipeline::Pipeline")
    names = [stage["Name"] for stage in pipeline["Stages"]]
    approval = next(at for at, each in enumerate(names) if each.startswith("Approve") and each != "ApprovePipeline")
    held = {name: statements for name, _, statements in permissions(template)}
    taken = [
        (names.index(stage) > approval, on)
        for stage, _, project in steps(template)
        for _, on in allowing(held[role_of(project)], "sts:AssumeRole", "*")
    ]
    production = {on.rpartition("-")[0] for after, on in taken if after}
    early = [on.rpartition("-") for after, on in taken if not after]
    return bool(production) and not any(
        role == "*" or (environment in production and role != "observer") for environment, _, role in early
    )


def writes_its_own_artifacts_alone(template: Template) -> bool:
    [synth] = [project for _, name, project in steps(template) if name == "Synth"]
    [held] = [held for name, _, held in permissions(template) if name == role_of(synth)]
    bucket = next(name for name, each in template["Resources"].items() if each["Type"] == "AWS::S3::Bucket")
    others = [f"${{{bucket}}}/pipeline/{name}/object" for name in ("Source", "Report", "synth_out")]
    own = [f"${{{bucket}}}/pipeline/{name}/object" for name in ("Synth_Outp", "Synth__nov")]
    written = [each for each in (*own, *others) if not any(one.forbids("s3:PutObject", each) for one in held)]
    return written == own and not allowing(held, "s3:DeleteObject", f"${{{bucket}}}/*")


def delete_no_log(template: Template) -> bool:
    return nobody_may(template, "logs:DeleteLogStream", "logs:DeleteLogGroup")


def delete_no_image(template: Template) -> bool:
    return nobody_may(template, "ecr:BatchDeleteImage", "ecr:DeleteRepository", "ecr:PutLifecyclePolicy")


def have_no_boundary(template: Template) -> bool:
    return not any("PermissionsBoundary" in role for role in properties(template, "AWS::IAM::Role"))


def audits_before_anything_is_built(template: Template) -> bool:
    order = [command for _, _, project in steps(template) for command in commands(project)]
    return order.index("make audit") < next(at for at, each in enumerate(order) if each.startswith("make images"))


def checks_the_hash_of_the_cli(template: Template) -> bool:
    made = [project for stage, _, project in steps(template) if stage in ("UpdatePipeline", "Assets")]
    return all(any("sha512sum --check" in each for each in commands(project)) for project in made)


CLAIMS: dict[str, Callable[[Template], bool]] = {
    "All steps of the pipeline write into one log group": write_into_one_group,
    "none takes anything from a cache": have_no_cache,
    "The version before is kept for a day": keeps_the_version_before_for_a_day,
    "Its credentials last an hour at most": give_no_longer_session,
    "every role that may use it is denied both": deny_writing_and_other_repositories,
    "begin with the pipeline's own command, which refuses another assembly": begin_by_comparing_the_assembly,
    "a step that runs the repository's code before the approval may assume only the observer": (
        take_only_the_observer_of_production
    ),
    "the pipeline's template holds the digest of what these steps run of a commit": refuse_other_tools,
    "may write the objects of the assembly and of the tools, and no others, and delete none": (
        writes_its_own_artifacts_alone
    ),
    "can forge lines in the log of a preflight or a verify, but delete none": delete_no_log,
    "No step of the pipeline that runs the repository's code may delete images": delete_no_image,
    "roles that the pipeline's stack makes have no boundary": have_no_boundary,
    "`make audit` runs in Build of both engines, before anything is built": audits_before_anything_is_built,
    "The steps that CDK adds check the hash of the CDK CLI": checks_the_hash_of_the_cli,
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_the_page_says_of_the_pipeline_holds_in_its_template(
    assembly: Assembly, variant: Assembly, claim: str
) -> None:
    assert claim in PAGE, "correct the claim here as well"
    assert all(CLAIMS[claim](each.template("NovaPipelineStack")) for each in (assembly, variant))


def granted(role: str, action: str) -> Callable[[Template], None]:
    """Lets a role, whose logical id begins so, do something to anything."""

    def change(template: Template) -> None:
        name = next(n for n, r in template["Resources"].items() if r["Type"] == "AWS::IAM::Role" and n.startswith(role))
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        template["Resources"][name]["Properties"]["Policies"] = [{"PolicyDocument": {"Statement": [statement]}}]

    return change


def without(project: str, text: str) -> Callable[[Template], None]:
    """Takes a text out of what a step runs."""

    def change(template: Template) -> None:
        [source] = [each["Source"] for _, name, each in steps(template) if name == project]
        assert text in source["BuildSpec"]
        source["BuildSpec"] = source["BuildSpec"].replace(text, "true")

    return change


def denials_removed(template: Template) -> None:
    for each in properties(template, "AWS::IAM::Policy"):
        kept = [one for one in each["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]
        each["PolicyDocument"]["Statement"] = kept


CHANGES: dict[Callable[[Template], bool], Callable[[Template], None]] = {
    write_into_one_group: lambda t: projects(t)[1]["LogsConfig"]["CloudWatchLogs"].update(GroupName="other"),
    have_no_cache: lambda t: projects(t)[1].update(Cache={"Type": "LOCAL"}),
    keeps_the_version_before_for_a_day: lambda t: properties(t, "AWS::S3::Bucket")[0].update(
        VersioningConfiguration={"Status": "Suspended"}
    ),
    give_no_longer_session: lambda t: properties(t, "AWS::IAM::Role")[1].update(MaxSessionDuration=7200),
    deny_writing_and_other_repositories: lambda t: next(using(t))[1].update(Effect="Allow"),
    begin_by_comparing_the_assembly: without("Preflight", '\\"$ASSEMBLY\\" ||'),
    take_only_the_observer_of_production: granted("PipelineStagingVerify", "sts:AssumeRole"),
    refuse_other_tools: without("Brief", "find -L Makefile"),
    writes_its_own_artifacts_alone: denials_removed,
    delete_no_log: granted("PipelineStagingVerify", "logs:Delete*"),
    delete_no_image: granted("PipelineImages", "ecr:Put*"),
    have_no_boundary: lambda t: properties(t, "AWS::IAM::Role")[1].update(
        PermissionsBoundary="arn:aws:iam::1:policy/x"
    ),
    audits_before_anything_is_built: lambda t: properties(t, "AWS::CodePipeline::Pipeline")[0]["Stages"].reverse(),
    checks_the_hash_of_the_cli: without("SelfMutate", "sha512sum --check"),
}


@pytest.mark.parametrize("holds", CHANGES, ids=lambda each: each.__name__)
def test_a_pipeline_that_refutes_the_page_is_noticed(assembly: Assembly, holds: Callable[[Template], bool]) -> None:
    template = assembly.template("NovaPipelineStack")
    CHANGES[holds](template)
    assert not holds(template)


def test_every_place_rule_and_command_that_the_security_page_names_exists(
    nova: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    text = (ROOT / "SECURITY.md").read_text()
    places = re.findall(r"`((?:[\w.*-]+/)+[\w.*-]+|[\w.-]+\.(?:py|md|toml|yml|txt|json)|Makefile)`", text)
    assert len(places) > 20
    ours = [place for place in places if not place.startswith(("services/", "nova.toml"))]
    assert [place for place in ours if not list(ROOT.glob(place))] == []
    rules = (ROOT / "docs" / "checks.md").read_text()
    assert [rule for rule in re.findall(r"NOVA-P\d+", text) if rule not in rules] == []
    for command in re.findall(r"`nova ([a-z -]+)`", text):
        assert nova(*[word for word in command.split() if not word.startswith("-")][:2], "--help").returncode == 0
    links = re.findall(r"\]\(([^)#:]+)[#)]", text)
    assert [link for link in links if not (ROOT / link).exists()] == []
