"""Writes ``.github/workflows`` from ``workflow_templates/*.j2`` and ``nova.toml``; finds those out of date."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nova_infra.config import Config, Environment
from nova_infra.config.resolved import suite_gated, suite_loaded
from nova_infra.github import deploy_session_seconds
from nova_infra.scaffold.changes import Changes
from nova_infra.scaffold.rendering import render

DIRECTORY = ".github/workflows"
NAMES = ("deploy.yml", "pull-request.yml", "judge.yml", "rollback.yml")
REMEDY = "run `nova github workflow --write` and commit what it writes"

_SUITES = {"integration": "Integration Tests", "e2e": "E2E Tests"}

# https://docs.github.com/en/actions/reference/limits: a job ends after six hours.
_MAX_MINUTES = 360

_LIMIT = re.compile(r"timeout-minutes: \d+$", re.MULTILINE)

# An action by the commit of its release. Dependabot writes them into the workflows, so that is where they are kept.
_PIN = re.compile(r"uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40} # v[\w.]+)$", re.MULTILINE)


@dataclass(frozen=True)
class EnvironmentJobs:
    """One environment's jobs: its deployment, the tests that its gates wait for, and the tests that follow.

    Attributes:
        gated: Names of the services that wait for its test suite before users reach them.
        loaded: Names of the services that it sends requests while they bake.
        suffix: Distinguishes its tests from those of an earlier environment with the same suite; empty for the first
            one.
    """

    environment: Environment
    needs: tuple[str, ...]
    session_seconds: int
    gated: tuple[str, ...]
    loaded: tuple[str, ...]
    suffix: str

    @property
    def job(self) -> str:
        """Id of the job that deploys; also its concurrency group."""
        return f"deploy-{self.environment.name}"

    @property
    def title(self) -> str:
        """What to call the environment."""
        words = self.environment.name.split("-")
        return " ".join("Production" if word == "prod" else word.capitalize() for word in words)

    @property
    def timeout_minutes(self) -> int:
        """How long the job may take: as long as its credentials are good."""
        return min(_MAX_MINUTES, self.session_seconds // 60)

    @property
    def test_job(self) -> str:
        """Id of the job that tests."""
        return f"{self.environment.tests}-test{self.suffix}"

    @property
    def test_title(self) -> str:
        """Name of the job that tests."""
        return _SUITES[self.environment.tests or ""] + (f" of {self.title}" if self.suffix else "")

    @property
    def report(self) -> str:
        """Name of the tests' report."""
        return f"{self.environment.tests}{self.suffix}"


def deployments(config: Config) -> Iterator[EnvironmentJobs]:
    """Each environment's jobs, in promotion order."""
    needs: tuple[str, ...] = ("build", "cdk-synth")
    seen: set[str] = set()
    for environment in config.environments:
        suffix = f"-{environment.name}" if environment.tests in seen else ""
        gated, loaded = suite_gated(config.services, environment), suite_loaded(config.services, environment)
        each = EnvironmentJobs(environment, needs, deploy_session_seconds(config, environment), gated, loaded, suffix)
        yield each
        if environment.tests:
            seen.add(environment.tests)
        needs = (each.test_job if environment.tests else each.job, "cdk-synth")


def workflows(config: Config, present: Mapping[str, str]) -> dict[str, str]:
    """The workflows that deliver a configuration.

    Args:
        present: The workflows as they are, by name. Their pins of actions are kept: Dependabot moves them.

    Returns:
        File name to content.
    """
    values = {
        "platform": config.platform,
        "source": config.source,
        "branches": [name for name in (config.source.branch, config.delivery.early_branch) if name],
        "early_branch": config.delivery.early_branch,
        "environments": config.environments,
        "deployments": list(deployments(config)),
    }
    return {name: _with_pins(render(f"workflow_templates/{name}.j2", values), present.get(name, "")) for name in NAMES}


def read_workflows(root: Path) -> dict[str, str]:
    """The generated workflows that a project has, by file name."""
    paths = (root / DIRECTORY / name for name in NAMES)
    return {path.name: path.read_text(encoding="utf-8") for path in paths if path.exists()}


def drift(root: Path, config: Config) -> list[str]:
    """Each workflow that is not what the configuration asks for, with the remedy; bakes count only on GitHub."""
    present = read_workflows(root)
    counted = (lambda text: text) if _delivers(config) else (lambda text: _LIMIT.sub("", text))
    return [
        f"{DIRECTORY}/{name}: {'differs from what nova.toml asks for' if name in present else 'is missing'}: {REMEDY}"
        for name, text in workflows(config, present).items()
        if name not in present or counted(present[name]) != counted(text)
    ]


def _delivers(config: Config) -> bool:
    """Whether GitHub Actions delivers anything: everything, or the early branch."""
    return config.delivery.engine == "github-actions" or config.delivery.early_branch is not None


def write_workflows(root: Path, config: Config) -> list[str]:
    """Write those workflows of a project that are not what its configuration asks for.

    Returns:
        What was written, as paths relative to the project.
    """
    present = read_workflows(root)
    changed = {
        f"{DIRECTORY}/{name}": text for name, text in workflows(config, present).items() if present.get(name) != text
    }
    Changes(root, written=changed).apply()
    return sorted(changed)


def _with_pins(text: str, present: str) -> str:
    kept = dict(_PIN.findall(present))
    return _PIN.sub(lambda match: f"uses: {match[1]}@{kept.get(match[1], match[2])}", text)
