"""Two templates that differ, values that they may hold, and what is said of a change."""

from typing import Any

from hypothesis import strategies as st

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


def nested(path: str, value: Any) -> dict[str, Any]:
    """Properties that have a value at a path."""
    step, _, rest = path.partition(".")
    inner = nested(rest, value) if rest else value
    return {step.removesuffix("[]"): [inner] if step.endswith("[]") else inner}


values = st.recursive(
    st.sampled_from(["a", "b", 1, True, {"Ref": "X"}]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Name", "Value", "K"]), inner, max_size=3)
    ),
    max_leaves=8,
)
