import itertools

import pytest

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudwatch.alarms import State
from nova_infra.rehearsal.cloudwatch.composite import read_composite_alarm

STATES: tuple[State, ...] = ("OK", "ALARM", "INSUFFICIENT_DATA")


@pytest.mark.parametrize(
    ("rule", "python"),
    [
        ('ALARM("a") OR ALARM("b")', "a == 'ALARM' or b == 'ALARM'"),
        ("(ALARM('a')) OR (ALARM(b))", "a == 'ALARM' or b == 'ALARM'"),
        ("ALARM(a) AND ALARM(b)", "a == b == 'ALARM'"),
        ("ALARM(a) AND NOT ALARM(b)", "a == 'ALARM' and b != 'ALARM'"),
        ("NOT (OK(a) OR OK(b))", "a != 'OK' and b != 'OK'"),
        ("INSUFFICIENT_DATA(a) OR ALARM(a) AND OK(b)", "a == 'INSUFFICIENT_DATA' or (a == 'ALARM' and b == 'OK')"),
        ("(INSUFFICIENT_DATA(a) OR ALARM(a)) AND OK(b)", "a != 'OK' and b == 'OK'"),
        ("ALARM(a) AND TRUE", "a == 'ALARM'"),
        ("NOT FALSE", "True"),
        ("FALSE OR ALARM(b)", "b == 'ALARM'"),
        ("AT_LEAST(1, ALARM, (a, b))", "'ALARM' in (a, b)"),
        ('AT_LEAST(2,NOT OK,("a", b))', "a != 'OK' and b != 'OK'"),
        ("AT_LEAST(50%, OK, (a, 'b')) AND ALARM(a)", "a == 'ALARM' and b == 'OK'"),
        ("NOT AT_LEAST(51%, OK, (a, b))", "a != 'OK' or b != 'OK'"),
    ],
)
def test_a_composite_alarm_is_red_where_its_rule_holds(rule: str, python: str) -> None:
    alarm = read_composite_alarm({"AlarmName": "any", "AlarmRule": rule})
    for a, b in itertools.product(STATES, STATES):
        assert (alarm.state({"a": a, "b": b}) == "ALARM") is eval(python, {"a": a, "b": b})


def test_the_alarms_of_a_rule_are_named_by_name_or_arn() -> None:
    arn = "arn:aws:cloudwatch:eu-west-1:1:alarm:b"
    alarm = read_composite_alarm({"AlarmName": "any", "AlarmRule": f"ALARM('a') AND NOT (OK(\"{arn}\"))"})
    assert alarm.alarms == ("a", "b")
    assert alarm.state({"a": "ALARM", "b": "ALARM"}) == "ALARM"
    assert alarm.state({"a": "ALARM", "b": "OK"}) == "OK"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("CPU (web)", '"CPU (web)"'),
        ("CPU (web)", "'CPU (web)'"),
        ("it's, so", '"it\'s, so"'),
        ('a "b"', r'"a \"b\""'),
        ("too many errors", "too many errors"),
        ("CPU (web)", '"arn:aws:cloudwatch:eu-west-1:1:alarm:CPU (web)"'),
    ],
)
def test_a_name_may_hold_whatever_names_do(name: str, written: str) -> None:
    for rule in (f"ALARM({written})", f"NOT (OK( {written} ))", f"AT_LEAST(1, ALARM, ({written}, other))"):
        assert name in read_composite_alarm({"AlarmName": "any", "AlarmRule": rule}).alarms


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        ("ALARM(unread)", None),
        ("NOT ALARM(unread)", None),
        ("ALARM(unread) OR ALARM(red)", "ALARM"),
        ("ALARM(unread) OR ALARM(good)", None),
        ("ALARM(unread) AND ALARM(good)", "OK"),
        ("NOT ALARM(unread) AND ALARM(red)", None),
        ("AT_LEAST(1, ALARM, (unread, red))", "ALARM"),
        ("AT_LEAST(2, ALARM, (unread, red))", None),
        ("AT_LEAST(2, ALARM, (unread, good))", "OK"),
    ],
)
def test_what_depends_on_an_alarm_that_nobody_evaluates_is_not_known(rule: str, state: State | None) -> None:
    alarm = read_composite_alarm({"AlarmName": "any", "AlarmRule": rule})
    assert alarm.state({"red": "ALARM", "good": "OK"}) == state


@pytest.mark.parametrize("rule", ["", "ALARM(", "ALARM(a) OR", "(ALARM(a)", "ALARM(a) ALARM(b)", "AT_LEAST(1, a)"])
def test_a_composite_rule_that_is_not_known_is_refused_by_name(rule: str) -> None:
    with pytest.raises(UnresolvableError, match="any: AlarmRule"):
        read_composite_alarm({"AlarmName": "any", "AlarmRule": rule})
