from typing import Any

import pytest

from nova_infra.rehearsal.delivery.workflows.language.expressions import ExpressionError, evaluate, fill, weighed
from nova_infra.rehearsal.delivery.workflows.language.values import Open, is_unknown

CONTEXTS: dict[str, Any] = {
    "github": {"event_name": "push", "ref": "refs/heads/main"},
    "needs": {"test": {"result": "success", "outputs": {"engine": "github-actions"}}},
    "vars": Open(),
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
        # Kinds that differ are compared as numbers, texts without their case.
        ("'true' == true", False),
        ("'' == false && null == 0 && 1 == '1.0' && null == ''", True),
        ("'abc' == 'ABC' && 'b' > 'A' && !('x' > 1) && !('x' < 1)", True),
        ("fromJSON('[1]') == fromJSON('[1]')", False),
        ("true && 0x10 == 16 && -1.5e1 == '-15'", True),
        ("contains('Push', github.event_name) && STARTSWITH(github.REF, 'REFS/')", True),
        ("fromJson(toJson('a')) == 'a'", True),
        ("contains(fromJSON('[\"a\"]'), 'A') && fromJSON('{\"a\": [1]}').a[0]", True),
        ("contains(needs.*.result, 'failure')", False),
        # What only GitHub knows stays unknown, unless it makes no difference.
        ("vars.X", None),
        ("!vars.X", None),
        ("!contains(vars.X, 'x')", None),
        ("!(vars.X == 'a')", None),
        ("vars.X && false", False),
        ("false && vars.X", False),
        ("vars.X || true", None),
        ("true || vars.X", True),
        ("!(vars.X != '' && github.ref == 'x')", True),
        ("x ${{ vars.X }}", True),
    ],
)
def test_conditions(condition: str, value: bool | None) -> None:
    assert weighed(condition, CONTEXTS) is value


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("", False),
        ("true", False),
        ("always()", True),
        ("${{ !cancelled() }}", True),
        ("success()", False),
        ("failure()", True),
        ("vars.X == 'always()'", False),
    ],
)
def test_after_a_failure_only_what_asks_for_it_runs(condition: str, value: bool) -> None:
    assert weighed(condition, CONTEXTS, failed=True) is value


def test_values_are_filled_in_and_what_is_not_there_is_empty() -> None:
    assert fill("a ${{ github.ref }} b${{ needs.test.outputs.url }}", CONTEXTS) == "a refs/heads/main b"
    assert fill("${{ github.nothing && 'x' || 'y' }}", CONTEXTS) == "y"
    assert fill("${{ format('{0}{{}}-{1}', 'a', 1234567) }} ${{ '}}' }}", CONTEXTS) == "a{}-1234567 }}"
    likely = fill("${{ vars.X || 'y' }}", CONTEXTS)
    assert likely == "y"
    assert is_unknown(likely)


def test_a_skip_is_neither_a_success_nor_a_failure() -> None:
    conditions = ("", "success()", "failure()", "!failure()", "always()")
    found = [weighed(each, CONTEXTS, skipped=True) for each in conditions]
    assert found == [False, False, False, True, True]


@pytest.mark.parametrize(
    "text",
    [
        *("a ==", "(a", "a b", "$x", "frobnicate()", "&& a", "github.", "github.'a'", "contains('a' 'b')", "True"),
        *("format('{1}', 'a')", "format('{', 'a')", "fromJSON('{')", "(" * 5000, "!" * 5000),
    ],
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text, CONTEXTS)
