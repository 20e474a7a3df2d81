"""What the templates of a release are known by."""

import pytest

from nova_infra.assembly import digest_of

TEMPLATES = {"a": {"Resources": {"X": {"Type": "T", "Properties": {"N": 1}}}}, "b": {"Resources": {}}}


def test_the_order_of_stacks_and_keys_is_nothing():
    turned = {"b": TEMPLATES["b"], "a": {"Resources": {"X": {"Properties": {"N": 1}, "Type": "T"}}}}
    assert digest_of(turned) == digest_of(TEMPLATES)
    assert digest_of(TEMPLATES).startswith("sha256:")


@pytest.mark.parametrize(
    "changed",
    [
        {"a": TEMPLATES["a"]},
        {"c": TEMPLATES["a"], "b": TEMPLATES["b"]},
        {"a": {"Resources": {"X": {"Type": "T", "Properties": {"N": "1"}}}}, "b": {"Resources": {}}},
        {"a": TEMPLATES["b"], "b": TEMPLATES["a"]},
    ],
)
def test_anything_else_is_another_one(changed):
    assert digest_of(changed) != digest_of(TEMPLATES)
