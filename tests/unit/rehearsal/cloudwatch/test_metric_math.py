import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.rehearsal.cloudwatch.metric_math import evaluate

POINTS = {"a": 6.0, "b": 3.0, "zero": 0.0, "gone": None}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a+b*2", 12),
        ("(a+b)*2", 18),
        ("a-b", 3),
        ("-a/b", -2),
        ("-gone", None),
        ("a/zero", None),
        ("a+gone", None),
        ("gone+a", None),
        ("gone>1", None),
        ("1>gone", None),
        ("FILL(gone,0)+a", 6),
        ("FILL(a,0)", 6),
        ("IF(a>b,a,b)", 6),
        ("IF(zero,a,b)", 3),
        ("IF(gone,a,b)", None),
        ("IF(a>b,gone,b)", None),
        ("SUM([a,b,gone])", 9),
        ("AVG([a,b])", 4.5),
        ("MAX([a,b])", 6),
        ("MIN([a,b])", 3),
        ("SUM([gone])", None),
        ("IF(a>b,a)", 6),
        ("IF(zero,a)", None),
        ("a AND b", 1),
        ("a && zero", 0),
        ("zero||b", 1),
        ("zero OR zero", 0),
        ("a>b AND b>a OR a", 1),
        ("a AND gone", None),
        ("ABS(b-a)", 3),
        ("CEIL(a/4)", 2),
        ("FLOOR(a/4)", 1),
        ("CEIL(gone)", None),
    ],
)
def test_an_expression_has_the_value_that_cloudwatch_gives_it(expression: str, expected: float | None) -> None:
    assert evaluate(expression, POINTS.__getitem__) == expected


@pytest.mark.parametrize(
    ("operator", "less", "equal", "greater"),
    [
        ("<", 1, 0, 0),
        ("<=", 1, 1, 0),
        ("==", 0, 1, 0),
        ("!=", 1, 0, 1),
        (">=", 0, 1, 1),
        (">", 0, 0, 1),
    ],
)
def test_a_comparison_is_one_where_it_holds_and_zero_where_it_does_not(
    operator: str, less: int, equal: int, greater: int
) -> None:
    values = [evaluate(f"{left}{operator}{right}", POINTS.__getitem__) for left, right in ("ba", "aa", "ab")]
    assert values == [less, equal, greater]


@pytest.mark.parametrize(
    "expression",
    [
        "RATE(a)",
        "a and b",
        "nobody",
        "a +",
        "FILL(gone,REPEAT)",
        "'text'",
        "IF(a>b,a,nobody)",
        # What is Python and not metric math.
        "a if b else a",
        "a**b",
        "a%b",
        "a is b",
        "b<a<b",
        "not a",
        "+a",
        "True",
        "a.b(1)",
        "a[0]",
    ],
)
def test_what_is_not_known_is_an_error_that_quotes_the_expression(expression: str) -> None:
    with pytest.raises(ValueError, match="rehearsal knows") as error:
        evaluate(expression, POINTS.__getitem__)
    assert expression in str(error.value)


numbers = st.integers(0, 1000).map(float) | st.none()


@given(errors=st.tuples(numbers, numbers), requests=st.tuples(numbers, numbers))
def test_an_error_rate_over_two_colours_is_what_plain_arithmetic_says(
    errors: tuple[float | None, float | None], requests: tuple[float | None, float | None]
) -> None:
    points = {"e0": errors[0], "e1": errors[1], "r0": requests[0], "r1": requests[1]}
    total = sum(count or 0 for count in requests)
    failed = sum(count or 0 for count in errors)
    rate = evaluate(
        "IF(FILL(r0,0)+FILL(r1,0)>=20,100*(FILL(e0,0)+FILL(e1,0))/(FILL(r0,0)+FILL(r1,0)),0)", points.__getitem__
    )
    assert rate is not None
    assert math.isclose(rate, 100 * failed / total if total >= 20 else 0)
