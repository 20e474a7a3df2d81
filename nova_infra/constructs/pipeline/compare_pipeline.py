"""Compares the pipeline that a commit describes with the deployed one: the very text of a step's build spec.

It runs nothing of the commit: the standard library and the AWS CLI of the build image read the assembly as data. What
it prints is ``same`` where updating the pipeline would change nothing, and would do nothing else. Its argument is the
assembly's directory; ``STACKS`` names the stacks that may be deployed, the pipeline's first, ``PLACE`` their
``aws://account/region``, ``QUALIFIER`` the bootstrap's, and ``REGIONS`` those in which CDK keeps the pipeline's
artifacts, each in a stack that the pipeline's depends on.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

# What ``cdk synth`` writes of a stack, besides what is compared.
INERT = {
    *("templateFile", "stackName", "validateOnSynth", "requiresBootstrapStackVersion", "additionalDependencies"),
    *("lookupRole", "tags"),
}
# What an assembly's manifest has; by what is missing, the CDK CLI would look things up with roles that it names.
MANIFEST = {"version", "artifacts", "minimumCliVersion", "runtime"}
# How CDK publishes a tarball of an image, whose name follows: nothing of it is run.
LOADS = ["sh", "-c", 'docker load -i "$1" | tail -n 1 | sed "s/Loaded image[^:]*: //g"', "cdk-tarball-image-asset"]


def expected() -> dict[str, tuple[str, str, str]]:
    """Id of each stack that may be deployed, to the name that the CDK CLI shows, its own name, and its region."""
    names, (account, home) = os.environ["STACKS"].split(), os.environ["PLACE"].removeprefix("aws://").split("/")
    found = {name: (name, name, home) for name in names}
    for region in os.environ.get("REGIONS", "").split():
        shown, support = f"cross-region-stack-{account}:{region}", f"{names[0]}-support-{region}"
        found[shown.replace(":", "_")] = (shown, support, region)
    return found


def read(*path: str) -> Any:
    """What a JSON file holds."""
    with open(os.path.join(*path), encoding="utf-8") as file:
        return json.load(file)


def artifacts(directory: str, top: bool = True) -> Iterator[tuple[str, str, Any, bool]]:
    """Directory, id and manifest entry of everything in an assembly, and whether it is at the top."""
    for name, artifact in read(directory, "manifest.json")["artifacts"].items():
        yield directory, name, artifact, top
        if artifact["type"] == "cdk:cloud-assembly":
            yield from artifacts(os.path.join(directory, artifact["properties"]["directoryName"]), False)


def strangers(names: list[str]) -> list[str]:
    """Files beside the manifest that no synthesis writes: tools would read such as a `cdk.json` or an `.npmrc`."""
    ends = "|".join(map(re.escape, names))
    known = (
        rf"(manifest|tree|validation-report)\.json|cdk\.out|asset\.[0-9a-f]{{64}}(\.\w+)?|\w+\.dot|"
        rf"({ends})\.(template|assets|metadata)\.json|buildspec-[0-9a-f]+-(File|Docker)Asset\.yaml"
    )
    nested = {
        artifact["properties"]["directoryName"]
        for artifact in read("manifest.json")["artifacts"].values()
        if artifact["type"] == "cdk:cloud-assembly"
    }
    return sorted(name for name in os.listdir() if not re.fullmatch(known, name) and name not in nested)


def assets(directory: str, name: str, artifact: Any, stacks: list[str]) -> Iterator[str]:
    """What publishing a list of assets would do, other than upload files: CDK runs a command that it names."""
    listed = read(directory, artifact["properties"]["file"])
    for kind in ("files", "dockerImages"):
        for each in listed.get(kind, {}).values():
            command = each["source"].get("executable")
            if command and command[:-1] != LOADS:
                yield f"{name} runs a command: {' '.join(command)[:60]}"
    if directory == "." and name.removesuffix(".assets") in stacks and listed.get("dockerImages"):
        yield f"{name} builds an image"


def described(name: str, artifact: Any) -> Iterator[str]:
    """What the CDK CLI would upload or build for a stack by its metadata, as before there were lists."""
    places = [artifact.get("metadata", {})]
    if file := artifact.get("additionalMetadataFile"):
        places.append(read(file))
    if any(entry["type"] == "aws:cdk:asset" for place in places for each in place.values() for entry in each):
        yield f"{name} has an asset in its metadata"


def differences() -> Iterator[str]:
    """What updating the pipeline would change, and what else it would do."""
    known = expected()
    names = list(known)
    if odd := sorted(set(read("manifest.json")) - MANIFEST):
        yield f"the assembly has {', '.join(odd)[:80]}"
    if found := strangers(names):
        yield f"{', '.join(found)[:80]}: not of an assembly"
    for directory, name, artifact, top in artifacts("."):
        shown = artifact.get("displayName", name)
        if artifact["type"] == "cdk:asset-manifest":
            yield from assets(directory, name, artifact, names)
            if top and artifact["properties"]["file"] != f"{name}.json":
                yield f"{name} is in another file"
        elif artifact["type"] != "aws:cloudformation:stack":
            continue
        elif not top:
            # The CLI finds what it deploys by this name, at whatever depth.
            if not shown.startswith(f"{names[0]}/"):
                yield f"{shown} is not of an environment"
        elif (shown, artifact["properties"].get("stackName", name)) != known.get(name, ("",))[:2]:
            yield f"{shown} is not one of {', '.join(names)}"
        else:
            yield from described(name, artifact)
            yield from deployment(name, artifact, names)
            yield from deployed(name, artifact["properties"], *known[name][1:])


def deployment(name: str, artifact: Any, names: list[str]) -> Iterator[str]:
    """Where and how a stack would be deployed, if otherwise than the pipeline's, or than CDK deploys one for artifacts.

    That one has the roles of the pipeline's region, and no bootstrap of its own: its template is no asset.
    """
    properties, qualifier = artifact["properties"], os.environ["QUALIFIER"]
    account, home = os.environ["PLACE"].removeprefix("aws://").split("/")
    region = expected()[name][2]
    is_own = region == home
    with open(properties["templateFile"], "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    role = f"arn:${{AWS::Partition}}:iam::{account}:role/cdk-{qualifier}-%s-role-{account}-{home}"
    places = {
        "assumeRoleArn": role % "deploy",
        "cloudFormationExecutionRoleArn": role % "cfn-exec",
        "stackTemplateAssetObjectUrl": f"s3://cdk-{qualifier}-assets-{account}-{home}/{digest}.json"
        if is_own
        else None,
    }
    place = f"aws://{account}/{region}"
    if artifact.get("environment") != place or any(properties.get(key) != places[key] for key in places):
        yield f"{name} would be deployed elsewhere, by other roles, or from another template"
    bootstrap = f"/cdk-bootstrap/{qualifier}/version"
    protected = {"terminationProtection": True, **({"bootstrapStackVersionSsmParameter": bootstrap} if is_own else {})}
    # Such as a policy for the role's session, parameters, or a topic to report to.
    others = {key: value for key, value in properties.items() if key not in INERT | places.keys() and value}
    if others != protected:
        odd = sorted(key for key in others.keys() | protected.keys() if others.get(key) != protected.get(key))
        yield f"{name} would be deployed with another {', '.join(odd)}"
    # The CDK CLI uploads nothing under a name that is taken, so a later template could find this in its place.
    listed = f"{name}.assets.json"
    uploads = [
        (to["objectKey"], each["source"])
        for each in (read(listed)["files"].values() if is_own or os.path.exists(listed) else ())
        for to in each["destinations"].values()
    ]
    template = (f"{digest}.json", {"path": properties["templateFile"], "packaging": "file"})
    if uploads != ([template] if is_own else []):
        yield f"{name} uploads something other than its template"
    if set(artifact.get("dependencies", ())) - {f"{other}{end}" for other in names for end in ("", ".assets")}:
        yield f"{name} would be deployed with other stacks"


def deployed(name: str, properties: Any, own_name: str, region: str) -> Iterator[str]:
    """What of a stack differs from the deployed one: its template, or its tags, which policies can ask for."""

    def ask(*words: str) -> Any:
        where = ["--stack-name", own_name, "--region", region]
        command = ["aws", "cloudformation", *words, *where, "--output", "json"]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    before = ask("get-template", "--template-stage", "Original", "--query", "TemplateBody")
    after = read(properties["templateFile"])
    if before != after:
        one, other = (re.sub("= [0-9a-f]{64} ", "", json.dumps(each, sort_keys=True)) for each in (before, after))
        yield f"{name} changes{' in nothing but what its steps run of the commit' if one == other else ''}"
    tags = ask("describe-stacks", "--query", "Stacks[0].Tags") or []
    if {each["Key"]: each["Value"] for each in tags} != properties.get("tags", {}):
        yield f"{name} gets other tags"


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    found = list(differences())
    print("changed: " + "; ".join(found)[:200] if found else "same")
