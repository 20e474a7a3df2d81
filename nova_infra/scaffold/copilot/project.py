"""``nova import copilot``: from a directory of manifests, and its options, to the text of ``nova.toml``."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from nova_infra.errors import NovaError
from nova_infra.scaffold.copilot.converting import environments, workload
from nova_infra.scaffold.copilot.fitting import fit
from nova_infra.scaffold.copilot.reading.manifests import Workspace, read_workspace
from nova_infra.scaffold.copilot.reading.part import TomlTable
from nova_infra.scaffold.copilot.writing import comments, lines
from nova_infra.scaffold.projects import answers
from nova_infra.scaffold.projects.answers import ACCOUNTS, default_name

_HEADER = """\
#:schema docs/nova.schema.json
# From AWS Copilot's manifests. A comment names each key that has no answer here, why, and what to do instead;
# docs/copilot.md has them all, and what to read in place of COPILOT_… in the code. What is marked TODO is not in the
# manifests.
"""


@dataclass(frozen=True)
class Imported:
    """The outcome of reading the manifests.

    Attributes:
        unanswered: How many comments say that something has no answer.
        refused: What ``nova.toml`` does not allow as it is, one line each.
    """

    text: str
    services: int
    environments: int
    unanswered: int
    refused: tuple[str, ...]


def import_copilot(
    directory: Path, *, accounts: Mapping[str, str] | None = None, regions: Mapping[str, str] | None = None
) -> Imported:
    """Convert all manifests below a directory.

    Args:
        regions: Regions in the same form; an empty name stands for all that are not named.
    """
    workspace = read_workspace(directory)
    accounts, regions = accounts or {}, regions or {}
    names = environments.names(workspace)
    application = default_name(Path(workspace.application or "nova"))
    found = [workload.convert(each, workspace.application or application, names) for each in workspace.workloads]
    services = [each for each in found if each is not None]
    stages = environments.convert(
        workspace, services, accounts=accounts, regions=regions, region=regions.get(""), application=application
    )
    toolchain = _toolchain(accounts, regions, stages[-1].values["region"])
    source = environments.source(
        workspace,
        account=toolchain.values["account"],
        region=toolchain.values["region"],
        repository=f"org/{application}",
    )
    if faults := [fault for manifest in workspace.manifests() for fault in manifest.faults]:
        raise NovaError("\n".join(dict.fromkeys(faults)))
    if not services:
        raise NovaError(f"{directory}: has static sites only, and Nova delivers containers: see docs/copilot.md")
    tables = [
        ("[platform]", TomlTable({"name": application})),
        ("[toolchain]", toolchain),
        ("[source]", source),
        *(("[[environments]]", table) for table in stages),
        *(("[[services]]", each.table) for each in services),
    ]
    refused = (*(line for each in services for line in each.unknown), *fit(tables))
    text = _HEADER + "".join(f"{line}\n" for line in _body(workspace, tables))
    # A comment's further lines are indented.
    comments_of = re.findall(r"^# \S.*", text.removeprefix(_HEADER), re.MULTILINE)
    noted = sum("TODO" not in comment for comment in comments_of)
    return Imported(text, len(services), len(stages), noted, refused)


def _toolchain(accounts: Mapping[str, str], regions: Mapping[str, str], last_region: str) -> TomlTable:
    table = TomlTable({"account": accounts.get("toolchain", ACCOUNTS["toolchain"])})
    region = regions.get("toolchain") or regions.get("")
    table.put("region", region or last_region)
    if "toolchain" not in accounts:
        table.notes.append("TODO the account of the pipeline and the images; this one is a placeholder.")
    if region is None:
        table.notes.append("TODO the region of the pipeline; this one is that of the last environment.")
    return table


def _body(workspace: Workspace, tables: list[tuple[str, TomlTable]]) -> Iterator[str]:
    for header, table in tables:
        yield ""
        yield from lines(header, table)
    sites = [manifest for manifest in workspace.workloads if manifest.letter == "S"]
    notes = [
        f"{manifest.file}: Static Site: Nova delivers containers. Put the files into an image that serves them, such "
        'as nginx, as kind = "web"; or keep the site on S3 and CloudFront in a stack of its own.'
        for manifest in sites
    ]
    notes += [f"{file}: not converted: {_of_file(file)}" for file in workspace.others]
    if notes:
        yield ""
        yield from comments(notes)


def _of_file(file: str) -> str:
    if "/addons/" not in file:
        return "Copilot's patches of its templates. Change the constructs, so that the checks and the rehearsal see it."
    if file.startswith("copilot/environments/"):
        return "resources of a whole environment belong in a stack of their own, in app.py."
    return "make the resources in services/<name>/infrastructure.py, with their grants and variables."


class Placed(TypedDict):
    """Accounts and regions by environment."""

    accounts: dict[str, str]
    regions: dict[str, str]


def placed(accounts: Iterable[str], regions: Iterable[str]) -> Placed:
    """The options by environment; a region for everything has an empty name."""
    found = answers.all_of(
        lambda: _accounts(accounts),
        lambda: answers.placed("--region", regions, answers.checked_region),
    )
    return Placed(accounts=found[0], regions=found[1])


def _accounts(given: Iterable[str]) -> dict[str, str]:
    accounts = answers.placed("--account", given, answers.checked_account)
    if "" in accounts:
        raise NovaError("--account: names no environment: write it as ENVIRONMENT=ACCOUNT")
    return accounts
