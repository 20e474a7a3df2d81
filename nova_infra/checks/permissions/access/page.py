"""``docs/access.md``: who can do what before and after the approval, as a page of Markdown."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from nova_infra.checks.permissions.access.holders import Holder, jobs, roles, steps, ways_around
from nova_infra.checks.permissions.access.reading import Production, grouped
from nova_infra.checks.permissions.reach import account_of
from nova_infra.checks.permissions.statements import overlap
from nova_infra.checks.rule import Template
from nova_infra.documents.markdown import as_markdown
from nova_infra.documents.model import Block, Cell, Document, Foreign, Line, Paragraph, Prose, Section, Table

_INTRODUCTION = """\
What each step and each role may assume and change, according to the templates. What may be read of production before
the approval has a section of its own. A step's own logs and reports are left out, and so is what a denial takes away
entirely, what a condition reserves for other roles or for services, and a role of these templates whose trust names
others. Every other condition stands after "if" and counts as met, so AWS may allow less than this page says. A role of
the same template that a step can assume or pass counts as the step's. `${Name}` is a resource of the template, `*`
anything."""
_READING = """\
A step reads with its own role, or with a production role that it may assume. What has no row, it may not read. `*` is
anything in the account of the role that reads; another account's is readable only through a permission that names it.
"Code, variables" describes tasks, functions and stacks, with their variables and parameters: keep secrets out of these.
Reading what is encrypted takes its key as well."""
_BOOTSTRAP = """\
`cdk bootstrap` makes them in every account. They are not in these templates; this is what CDK's own template gives
them."""
_BOOTSTRAP_ROLES = (
    (
        "`cdk-…-deploy-role-…`",
        "every stack of its account and region, its deletion and its protection included, by passing the next role to "
        "CloudFormation; and objects in those buckets of other accounts whose policies let it",
    ),
    (
        "`cdk-…-cfn-exec-role-…`",
        "whatever the policies of the account's bootstrap allow; by default everything",
    ),
    ("`cdk-…-file-publishing-role-…`", "the bucket from which CloudFormation takes templates"),
    ("`cdk-…-image-publishing-role-…`", "the bootstrap's image repository, which Nova does not use"),
    (
        "`cdk-…-lookup-role-…`",
        "nothing: it reads what AWS's `ReadOnlyAccess` does, such as logs, tables and buckets, and decrypts nothing",
    ),
)
_NO_WAY = (
    "NOVA-P06 found no way from a step that runs the repository's code before the approval to what the approval "
    "protects, and NOVA-P11 found no GitHub job that reaches beyond its own work."
)
_UPDATE = (
    "UpdatePipeline may give the pipeline any right that CloudFormation has. ApprovePipeline comes before it "
    "whenever the pipeline would change: see [SECURITY.md](../SECURITY.md#what-remains)."
)
_REPOSITORIES = (
    " may set the policies of production's repositories, so that an image could be deleted and another pushed under "
    "its tag: see [SECURITY.md](../SECURITY.md#what-remains)."
)


def page(
    templates: Sequence[Template],
    *,
    protected: Sequence[str],
    production: Production,
    shared: Iterable[tuple[str, str]] = (),
) -> str:
    """The page.

    Args:
        shared: Environments that share their account with an earlier one, each with the reason.
    """
    held = [each for template in templates for each in roles(template)]
    delivering = [each for template in templates for each in steps(template)]
    delivering += [each for template in templates for each in jobs(template, protected=protected)]
    delivering = [_without_others(each, held) for each in delivering]
    around = [each for template in templates for each in ways_around(template)]
    bootstrap = Table(tuple(tuple(map(Prose, row)) for row in _BOOTSTRAP_ROLES), ("Role", "What it may change"))
    return as_markdown(
        Document(
            "Who can do what",
            sections=(
                Section("", (Paragraph.of(Prose(_INTRODUCTION)),)),
                Section("Before the approval", (_steps(each for each in delivering if not each.after),)),
                Section(
                    "What may be read of production before the approval",
                    (Paragraph.of(Prose(_READING)), _readings(delivering, held, production)),
                ),
                Section("After the approval", (_steps(each for each in delivering if each.after),)),
                Section("Roles in the environments", (_roles(held),)),
                Section("CDK's bootstrap roles", (Paragraph.of(Prose(_BOOTSTRAP)), bootstrap)),
                Section("Ways around the approval", tuple(_ways(around, shared, delivering, production))),
            ),
            source="Generated by `make access` from the synthesized templates of nova.toml: change those, not this "
            "file.",
        )
    )


def _without_others(holder: Holder, known: Sequence[Holder]) -> Holder:
    """Without the roles whose trust does not name it."""
    closed = {each.arn for each in known if not each.lets_in(holder)}
    return replace(holder, takes={each: limits for each, limits in holder.takes.items() if each not in closed})


def _ways(
    around: Sequence[str], shared: Iterable[tuple[str, str]], delivering: Sequence[Holder], production: Production
) -> Iterator[Block]:
    yield from map(Line.of, around)
    if not around:
        yield Paragraph.of(_NO_WAY)
    for name, reason in shared:
        yield Line.of(f"{name} shares its account with what needs no approval: {' '.join(reason.split())}")
    if any(each.name.startswith("UpdatePipeline") for each in delivering):
        yield Line.of(Prose(_UPDATE))
    for each in delivering:
        if not each.after and _sets_policies(each, production):
            yield Line.of("Before the approval, ", Foreign(each.name), Prose(_REPOSITORIES))


def _sets_policies(holder: Holder, production: Production) -> bool:
    return any(
        "ecr:SetRepositoryPolicy" in actions and any(overlap(one, production.images) for one in resources.split(", "))
        for actions, resources, _ in holder.changes
    )


def _steps(holders: Iterable[Holder]) -> Table:
    rows = ((each.name, "yes" if each.runs_repository else "no", _takes(each), _changes(each)) for each in holders)
    return Table(tuple(rows), ("Step", "Runs the repository's code", "May assume", "May change"))


def _readings(delivering: Iterable[Holder], held: Iterable[Holder], production: Production) -> Table:
    known = [each for each in held if each.account is None or each.account in production.accounts]
    rows = [row for each in delivering if not each.after for row in _read_by(each, known, production)]
    return Table(tuple(rows), ("Step", "By", "Kind", "May read"))


def _read_by(holder: Holder, known: Sequence[Holder], production: Production) -> Iterator[tuple[Cell, ...]]:
    """The rows of one step or job: by its own role, and by each of production's that it may assume."""
    taken = [each for each in known if each.lets_in(holder) and any(overlap(one, each.arn) for one in holder.takes)]
    rows = 0
    for each in (holder, *taken):
        by = "its own role" if each == holder else _codes([each.name])
        for kind, what in grouped(one for one in each.reads if production.has(one, owner=each.account)).items():
            rows += 1
            yield holder.name, by, kind, _lines(what)
    unknown = [
        arn
        for arn in holder.takes
        if account_of(arn) in production.accounts and not any(overlap(arn, one.arn) for one in taken)
    ]
    for arn in unknown:
        yield holder.name, _codes([arn]), "unknown", "whatever that role may do: it is not in these templates"
    if not rows and not unknown:
        yield holder.name, "–", "–", "nothing"


def _roles(holders: Iterable[Holder]) -> Table:
    rows = ((_codes([each.name]), _codes(each.takers), _takes(each), _changes(each)) for each in holders)
    return Table(tuple(rows), ("Role", "Who may assume it", "May assume", "May change"))


def _takes(holder: Holder) -> Cell:
    return tuple(Line.of(Foreign(arn), *_if(limits)) for arn, limits in holder.takes.items()) or "–"


def _changes(holder: Holder) -> Cell:
    return _lines(holder.changes)


def _lines(permissions: Iterable[tuple[str, str, str]]) -> Cell:
    return (
        tuple(Line.of(Foreign(a), " on ", Foreign(resources), *_if(limits)) for a, resources, limits in permissions)
        or "–"
    )


def _if(limits: str) -> tuple[str | Foreign, ...]:
    return (" if ", Foreign(limits)) if limits else ()


def _codes(texts: Iterable[str]) -> Cell:
    return tuple(Line.of(Foreign(" ".join(text.split()))) for text in texts) or "–"
