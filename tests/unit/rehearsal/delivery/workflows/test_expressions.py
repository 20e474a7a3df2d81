from typing import Any

import pytest

from nova_infra.rehearsal.delivery.workflows.expressions import ExpressionError, evaluate, fill, holds

CONTEXTS: dict[str, Any] = {
    "github": {"event_name": "push", "ref": "refs/heads/main"},
    "needs": {"test": {"result": "success", "outputs": {"engine": "github-actions"}}},
}


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("", True),
        ("github.event_name == 'push' && needs.test.outputs.engine == 'github-actions'", True),
        ("${{ github.ref == 'refs/heads/main' }}", True),
        ("github.ref == 'refs/heads/master'", False),
        ("github.event_name == 'PUSH'", True),
        ("github.event_name != 'push' || needs['test'].result == 'success'", True),
        ("!(github.nothing)", True),
        ("startsWith(github.ref, 'refs/heads/') && !contains(github.ref, 'release')", True),
        ("needs.test.outputs.engin == 'github-actions'", False),
        ("false || 0 || ''", False),
    ],
)
def test_conditions(condition: str, value: bool) -> None:
    assert holds(condition, CONTEXTS) is value


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("", False),
        ("true", False),
        ("always()", True),
        ("${{ !cancelled() }}", True),
        ("success()", False),
        ("failure()", True),
    ],
)
def test_after_a_failure_only_what_asks_for_it_runs(condition: str, value: bool) -> None:
    assert holds(condition, CONTEXTS, failed=True) is value


def test_values_are_filled_in_and_what_is_not_there_is_empty() -> None:
    assert fill("a ${{ github.ref }} b${{ needs.test.outputs.url }}", CONTEXTS) == "a refs/heads/main b"
    assert fill("${{ github.nothing && 'x' || 'y' }}", CONTEXTS) == "y"


@pytest.mark.parametrize("text", ["a ==", "(a", "a b", "$x", "frobnicate()", "&& a"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text, CONTEXTS)
