"""Two templates that differ, and what is said of a change."""

from typing import Any

from nova_infra.operations.changes.differences import Kind, differences

Resource = dict[str, Any]


def template(**resources: Resource) -> dict[str, Any]:
    """A template of these resources."""
    return {"Resources": resources}


def resource(kind: str, properties: dict[str, Any] | None = None, **attributes: Any) -> Resource:
    """A resource, such as one of ``S3::Bucket``."""
    return {"Type": f"AWS::{kind}", "Properties": properties or {}, **attributes}


def told(before: dict[str, Any] | None, after: dict[str, Any], kind: Kind) -> list[str]:
    """What is said of a kind of change."""
    return [f"{d.resource} {d.what}" for d in differences(before, after) if d.kind is kind]
