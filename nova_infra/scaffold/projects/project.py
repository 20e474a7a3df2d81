"""``nova init``: a new project out of this one, with another ``nova.toml``, other services and CODEOWNERS.

It is written into an empty directory, or over the project itself as it comes from the repository or an archive. What
its welcome says is here, too.
"""

import contextlib
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

from nova_infra.config import CONFIG_FILE, Config, parse_config
from nova_infra.config.values.fields import aws_regions
from nova_infra.errors import ConfigError, NovaError
from nova_infra.machine import git
from nova_infra.scaffold import workflows
from nova_infra.scaffold.changes import Changes, uninterrupted
from nova_infra.scaffold.editing import locks, owners
from nova_infra.scaffold.editing.services import DEFAULT_SUMMARY, LOCKS, service_files
from nova_infra.scaffold.projects.answers import ACCOUNTS, Answers, as_options
from nova_infra.scaffold.rendering import render
from nova_infra.toml import read_toml

#: The repository that nova.toml names as it is shipped: nobody's.
PLACEHOLDER = "org/nova-platform"

# Letters of three availability zones, where they are not a, b and c.
# https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html
# In us-west-1 an account sees two of three, and which two differs: `nova doctor --first` asks.
_ZONES = {"ap-northeast-1": ("a", "c", "d"), "ca-central-1": ("a", "b", "d"), "us-west-1": ("a", "c")}


def source() -> Path:
    """The project that this code belongs to."""
    root = Path(__file__).parents[3]
    if not (root / "Makefile").exists() or not (root / "services" / "kit").exists():
        raise NovaError("nova: was installed without its project: run it from a clone or an archive of Nova")
    return root


def require_place(root: Path, target: Path) -> None:
    """Make sure that a project can be written to a directory."""
    if target == root:
        _require_untouched(root)
        return
    if target.is_relative_to(root):
        raise NovaError(f"{target}: is inside the project that it is made from: choose a directory outside {root}")
    if target.exists() and not target.is_dir():
        raise NovaError(f"{target}: is a file: choose a directory that is empty or does not exist")
    if target.exists() and [path for path in target.iterdir() if path.name != ".git"]:
        raise NovaError(f"{target}: is not empty: choose a directory that is empty or does not exist")


def create_project(root: Path, target: Path, answers: Answers) -> Config:
    """Write a project, all of it or nothing.

    Args:
        target: Where it goes: an empty directory, one that does not exist, or ``root`` itself.

    Returns:
        Its configuration.

    Raises:
        NovaError: It cannot be made. Nothing has been written then.
    """
    require_place(root, target)
    text, config = _configuration(answers)
    old = sorted(path.parent.name for path in (root / "services").glob("*/Dockerfile"))
    written = {CONFIG_FILE: text, **_written(root, old, answers, config)}
    if target == root:
        Changes(root, written=written, removed={f"services/{name}" for name in old}).apply()
        return config
    gone = tuple(f"services/{name}/" for name in old)
    copied = {
        path: root / path
        for path in _tree(root)
        if path not in written and not path.startswith(gone) and (root / path).exists()
    }
    made = [parent for parent in (target, *target.parents) if not parent.exists()]
    try:
        with uninterrupted():
            target.mkdir(parents=True, exist_ok=True)
            Changes(target, written=written, copied=copied).apply()
            _commit(target, config)
    except BaseException as error:
        for directory in made:
            with contextlib.suppress(OSError):  # an interruption has waited for all of it to be there
                directory.rmdir()
        if isinstance(error, OSError):
            raise NovaError(f"{target}: cannot be created: {error.strerror}: choose another directory") from None
        raise
    return config


def remote_of(directory: Path) -> str | None:
    """Where git fetches a directory's repository from; None where it has none of its own."""
    if not (directory / ".git").exists():
        return None
    return git.read(directory, "remote", "get-url", "origin")


def is_committed(target: Path) -> bool:
    """Whether a directory's own repository has all of it in a commit."""
    return (target / ".git").exists() and git.read(target, "status", "--porcelain") == ""


def _configuration(answers: Answers) -> tuple[str, Config]:
    """The project's nova.toml, as text and as what it says."""
    zones = {place: _ZONES.get(region, ("a", "b", "c")) for place, region in answers.regions.items()}
    marks = {
        place: " # TODO yours; this one is a placeholder" if account == ACCOUNTS[place] else ""
        for place, account in answers.accounts.items()
    }
    partition = aws_regions()[answers.regions["toolchain"]]
    values = {**vars(answers), "zones": zones, "partition": partition, "marks": marks}
    text = render("project_template/nova.toml.j2", values)
    try:
        return text, parse_config(tomllib.loads(text))
    except ConfigError as error:
        raise NovaError("\n".join(as_options(line, answers) for line in str(error).splitlines())) from None


def _written(root: Path, old: list[str], answers: Answers, config: Config) -> dict[str, str]:
    """What a project has instead of the files that it is made from, but for its nova.toml."""
    written = {}
    for path in LOCKS:
        lock = (root / path).read_text(encoding="utf-8")
        for name in old:
            lock = locks.without_service(lock, name)
        for name in answers.services:
            lock = locks.with_service(lock, name)
        written[path] = lock
    for name in answers.services:
        written |= {
            f"services/{name}/{path}": content for path, content in service_files(name, DEFAULT_SUMMARY).items()
        }
    if (reviewed := root / owners.CODEOWNERS).exists():
        lines = reviewed.read_text(encoding="utf-8")
        for name in old:
            lines = owners.without_service(lines, name)
        written[owners.CODEOWNERS] = re.sub(r"(?<=\s)@[\w./-]+", f"@{answers.owner}/platform", lines)
    present = workflows.read_workflows(root)
    return written | {
        f"{workflows.DIRECTORY}/{name}": content for name, content in workflows.workflows(config, present).items()
    }


def _tree(root: Path) -> list[str]:
    """Every file that git would commit, whether or not there is a repository: an archive has none."""
    listed = subprocess.run([root / "scripts" / "tree.sh", "list"], check=False, capture_output=True, text=True)
    if listed.returncode:
        raise NovaError(f"{root}: its files cannot be listed: {listed.stderr.strip()}: install git")
    return [path for path in listed.stdout.split("\0") if path]


def _require_untouched(root: Path) -> None:
    """Make sure that nobody has made the project theirs yet, so that nothing of theirs is replaced."""
    data = read_toml(root / CONFIG_FILE)
    repository = data.get("source", {}).get("repository")
    if repository != PLACEHOLDER:
        raise NovaError(
            f"{root}: is not empty, and its {CONFIG_FILE} already delivers {repository}: "
            "edit that, or name an empty directory"
        )
    if not (root / ".git").exists():
        return
    changed = git.run(root, "status", "--porcelain", "--", CONFIG_FILE, "services")
    if changed.code:
        raise NovaError(f"{root}: may have uncommitted work: {git.why_silent(root) or f'git status: {changed.fault}'}")
    if changed.text:
        raise NovaError(f"{root}: has uncommitted work ({changed.text.split()[-1]}): commit it, then run this again")


def _commit(target: Path, config: Config) -> None:
    """Make the first commit, which the rehearsal needs to release over; where there are others, that is the user's."""
    if not (target / ".git").exists():
        git.read(target, "init", "--quiet", f"--initial-branch={config.source.branch}")
    if (
        git.read(target, "rev-parse", "--verify", "--quiet", "HEAD") is None
        and git.read(target, "add", "--all") is not None
    ):
        nobody = ["-c", "user.name=Nova", "-c", "user.email=nova@localhost"]
        named = [] if git.read(target, "var", "GIT_AUTHOR_IDENT") else nobody
        message = f"Start {config.platform.name} from Nova"
        git.read(target, *named, "-c", "commit.gpgsign=false", "commit", "--quiet", "--message", message)


def welcome(config: Config, target: Path, *, in_place: bool) -> Iterator[str]:
    """What to say once a project has been written, line by line."""
    names = ", ".join(service.name for service in config.services)
    path = " → ".join(environment.name for environment in config.environments)
    yield f"{config.platform.name} is in {target}: {path}, by {config.delivery.engine}, with {names}."
    yield "Try it; no AWS account is needed:"
    if not in_place:
        yield f"  cd {shlex.quote(os.path.relpath(target))}"
    if not is_committed(target):
        yield f"  git add --all && git commit --message 'Start {config.platform.name} from Nova'"
    yield "  make test"
    yield "  make rehearse"
    yield "Before it goes to AWS:"
    yield "  nova.toml           what is marked TODO: `.venv/bin/nova doctor` lists it"
    owner = config.source.repository.partition("/")[0]
    yield f"  .github/CODEOWNERS  @{owner}/platform has to exist on GitHub, or name others there"
    yield "  services/           each counts words so far; `.venv/bin/nova service add` adds another one"
    yield '  README.md           "Deploying to AWS" has the steps'
