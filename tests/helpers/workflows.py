"""The workflows of some configurations, parsed."""

import tomllib
from pathlib import Path
from typing import Any

import yaml

from nova_infra.config import parse_config
from nova_infra.scaffold.workflows import workflows

ROOT = Path(__file__).parents[2]


GITHUB = ROOT / ".github"


EXAMPLE = ROOT / "tests/unit/nova.toml"


AUDIT = GITHUB / "workflows" / "audit.yml"


# Read from the actions' own repositories: the commit that each release is.
PINNED = {
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/download-artifact": ("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "codecov/codecov-action": ("671740ac38dd9b0130fbe1cec585b89eea48d3de", "v5.5.2"),
}


def environment(name: str, number: int, **keys: Any) -> dict[str, Any]:
    """One more environment, as nova.toml writes it."""
    domain = {"domain": {"name": f"{name}.example.org", "zone_id": "Z0LIVE"}}
    return {
        "name": name,
        "account": f"{number:012}",
        "region": "eu-west-1",
        "network": {"cidr": f"10.{number}.0.0/16"},
        **(domain if keys.get("approval") else {"allow_plain_http": True}),
        **keys,
    }


def example() -> dict[str, Any]:
    return tomllib.loads(EXAMPLE.read_text())


def two() -> dict[str, Any]:
    raw = example()
    raw["platform"]["name"] = "acme"
    raw["source"] |= {"repository": "acme/shop", "branch": "release/2.0", "ignore_paths": ["wiki/**", "it's.txt"]}
    raw["delivery"] = {"engine": "github-actions"}
    raw["environments"] = [
        environment("lab", 41, tests="e2e", rollout={"strategy": "rolling", "bake_minutes": 7}),
        environment("live-eu", 42, approval=True, rollout={"strategy": "blue-green", "bake_minutes": 61}),
    ]
    return raw


def four() -> dict[str, Any]:
    raw = example()
    raw["source"]["ignore_paths"] = []
    canary = {"strategy": "canary", "percent": 5, "step_bake_minutes": 100, "bake_minutes": 200}
    raw["environments"] = [
        environment("on", 51, tests="integration"),
        environment("qa", 52, tests="integration", approval=True, rollout=canary),
        environment("stage", 53, tests="e2e", rollout={"strategy": "linear", "percent": 50, "bake_minutes": 9}),
        environment("production", 54, tests="e2e", approval=True, rollout=canary | {"step_bake_minutes": 50}),
    ]
    return raw


def one() -> dict[str, Any]:
    raw = example()
    raw["environments"] = [environment("only", 61)]
    return raw


CONFIGURATIONS = {each.__name__: parse_config(each()) for each in (example, two, four, one)}


def parsed(text: str) -> dict[str, Any]:
    content: dict[Any, Any] = yaml.load(text, yaml.CSafeLoader)
    content["on"] = content.pop(True, None)  # YAML 1.1 takes the key for a truth value
    return content


# What every configuration has, and what none changes.
TEXTS = workflows(CONFIGURATIONS["example"], {}) | {"audit.yml": AUDIT.read_text()}
