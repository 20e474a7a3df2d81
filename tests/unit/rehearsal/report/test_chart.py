import itertools
import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.rehearsal.record import DeploymentRecord, MinuteRecord, Requests, TrafficRecord
from nova_infra.rehearsal.report.chart import WIDTH, Event, deployment_chart, events

Make = Callable[..., DeploymentRecord]
SVG = "{http://www.w3.org/2000/svg}"


def drawn(deployment: DeploymentRecord) -> ET.Element:
    text = deployment_chart(deployment, key="k")
    return ET.fromstring(text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def texts(picture: ET.Element, name: str) -> list[str | None]:
    return [e.text for e in picture.iter(f"{SVG}text") if name in (e.get("class") or "").split()]


def paths(picture: ET.Element, name: str) -> list[str]:
    return [e.get("d", "") for e in picture.iter(f"{SVG}path") if e.get("class") == name]


def test_an_alarm_that_ecs_does_not_watch_would_have_ended_the_deployment(deployed: Make) -> None:
    deployment = deployed("tiny", bad=True)
    deployment.unwatched = ["tiny-errors"]
    assert Event(1.5, "tiny-errors is in ALARM: it would have ended the deployment") in events(deployment)


def test_the_story_is_described_in_order_from_the_deployments_beginning(deployed: Make) -> None:
    told = events(deployed("tiny", bad=True))
    assert [(each.minute, each.text) for each in told] == [
        (pytest.approx(0.1), "10 % of the traffic to the new revision"),
        (1.5, "all of the traffic back to the old revision"),
        (1.5, "tiny-errors is in ALARM"),
        (pytest.approx(2.9), "rolled back"),
    ]


def test_where_an_alarm_was_red_before_the_story_says_that_none_is_watched(deployed: Make) -> None:
    deployment = deployed("tiny")
    deployment.unwatched = deployment.red_before = ["tiny-errors"]
    for sample in deployment.samples:
        sample.red = ["tiny-errors"]
    first, *others = events(deployment)
    assert first == Event(0, "an alarm is already red, so ECS watches none during this deployment")
    assert [event.text for event in others if "in ALARM" in event.text] == []
    [red] = [e for e in drawn(deployment).iter(f"{SVG}rect") if e.get("class") == "red"]
    assert float(red.get("x", 0)) == 4, "it was red from the very beginning"


def test_an_alarm_that_fires_twice_is_reported_twice(deployed: Make) -> None:
    deployment = deployed("tiny")
    for number in (1, 4, 5):
        deployment.samples[number].red = ["tiny-errors"]
    assert [event.minute for event in events(deployment) if "in ALARM" in event.text] == [1.5, 4.5]
    minutes = [event.minute for event in events(deployment)]
    assert minutes == sorted(minutes)
    assert len([e for e in drawn(deployment).iter(f"{SVG}rect") if e.get("class") == "red"]) == 2


def test_a_deployment_that_was_not_measured_has_no_picture(deployed: Make) -> None:
    deployment = deployed("tiny")
    deployment.samples = []
    assert deployment_chart(deployment, key="k") == ""


def test_the_picture_has_a_name_and_its_story_in_words(deployed: Make) -> None:
    picture = drawn(deployed("tiny", bad=True))
    named = {e.get("id"): e.text for e in picture.iter() if e.get("id")}
    assert picture.get("role") == "img"
    assert picture.get("aria-labelledby") == "k-t k-d"
    assert named["k-t"] == "Prod: tiny, rolled back"
    assert "minute 1.5: tiny-errors is in ALARM" in (named["k-d"] or "")


def test_names_are_shown_as_they_are_and_not_as_markup(deployed: Make) -> None:
    text = deployment_chart(deployed("<tiny> & co", bad=True), key="k")
    assert "<tiny>" not in text
    assert "&lt;tiny&gt; &amp; co" in text


def test_bands_are_scaled_to_what_is_in_them(deployed: Make) -> None:
    assert texts(drawn(deployed("tiny", bad=True)), "top") == ["100 %", "100 %", "10 ms"]
    assert texts(drawn(deployed("tiny")), "top") == ["100 %", "none", "10 ms"]
    slow = deployed("tiny")
    slow.samples[0].requests["tiny:2"] = Requests(2, 0, 6.2)
    assert texts(drawn(slow), "top")[2] == "5 s"


def test_the_new_revisions_share_is_a_step_line_with_the_shares_written_on_it(deployed: Make) -> None:
    picture = drawn(deployed("tiny"))
    assert texts(picture, "share") == ["10 %", "100 %"]
    area = paths(picture, "area")[0]
    levels = [float(level) for level in re.findall(r"V([\d.]+)", area)]
    # 10 % and 100 % of a plot of 38, from its lower edge, and down again.
    assert levels == pytest.approx([71 - 3.8, 71 - 38, 71])


def test_where_traffic_follows_the_tasks_the_measured_share_is_drawn(deployed: Make) -> None:
    deployment = deployed("tiny")
    deployment.strategy, deployment.traffic = "ROLLING", [TrafficRecord(100, 3)]
    deployment.samples = [
        MinuteRecord(1, 0, {"tiny:1": Requests(40)}, []),
        MinuteRecord(2, 0, {"tiny:1": Requests(10), "tiny:2": Requests(10)}, []),
        MinuteRecord(3, 0, {"tiny:2": Requests(40)}, []),
    ]
    deployment.ended = 3.0
    assert texts(drawn(deployment), "share") == ["50 %", "100 %"]
    assert events(deployment)[0].text == "every task is of the new revision"


def test_a_minute_without_a_request_is_a_gap_and_not_a_zero(deployed: Make) -> None:
    deployment = deployed("tiny")
    deployment.samples[3].requests["tiny:2"] = Requests()
    failed, _ = paths(drawn(deployment), "new")[1:]
    assert failed.count("M") == 2
    assert failed.count("L") == len(deployment.samples) - 3


def test_old_and_new_differ_in_shape_and_not_in_colour_alone(deployed: Make) -> None:
    picture = drawn(deployed("tiny"))
    [old, _], [new, _] = paths(picture, "old mark"), paths(picture, "new mark")
    assert "h4v4h-4z" in old
    assert "a2.5 2.5" in new


def test_a_long_deployment_is_drawn_without_a_mark_at_each_point(deployed: Make) -> None:
    deployment = deployed("tiny")
    deployment.samples = [MinuteRecord(n, 10, {"tiny:2": Requests(4)}, []) for n in range(1, 61)]
    deployment.ended = 60.5
    picture = drawn(deployment)
    assert paths(picture, "new mark") == []
    assert len(texts(picture, "tick")) <= 7


def test_a_rollout_of_many_steps_has_its_numbers_side_by_side_within_the_picture(deployed: Make) -> None:
    deployment = deployed("tiny")
    deployment.traffic = [TrafficRecord(n, 0.6 + n / 10) for n in range(1, 31)]
    badges = [float(e.get("cx", 0)) for e in drawn(deployment).iter(f"{SVG}circle")]
    assert len(badges) == 31
    assert badges == sorted(badges)
    assert badges[0] > 0
    assert badges[-1] < WIDTH


def test_what_was_measured_after_the_end_lies_within_the_picture(deployed: Make) -> None:
    deployment = deployed("tiny")
    deployment.traffic.append(TrafficRecord(50, deployment.ended + 5))
    numbers = [float(x) for d in paths(drawn(deployment), "event") for x in re.findall(r"L([\d.]+) ", d)]
    assert max(numbers) <= WIDTH


@st.composite
def deployments(draw: st.DrawFn) -> DeploymentRecord:
    began = draw(st.floats(0, 3))
    length = draw(st.integers(1, 4))
    made = DeploymentRecord("Prod", "tiny", "CANARY", "tiny:1", "tiny:2", baseline=False, began=began)
    requests = st.builds(Requests, served=st.integers(0, 9), failed=st.integers(0, 9), seconds=st.floats(0, 99))
    for number in range(1, length + 1):
        red = draw(st.sampled_from([[], ["tiny-errors"], ["tiny-errors", "tiny-cpu"]]))
        made.samples.append(MinuteRecord(began + number, 10, {"tiny:1": draw(requests), "tiny:2": draw(requests)}, red))
    steps = draw(st.lists(st.tuples(st.floats(0, length), st.sampled_from([0, 0.1, 10, 100])), max_size=30))
    made.traffic = [TrafficRecord(percent, began + time) for time, percent in sorted(steps)]
    made.ended = began + length
    made.outcome = "completed"
    return made


@given(deployments())
def test_whatever_happens_all_of_it_lies_in_the_picture_and_is_numbered_in_order(deployment: DeploymentRecord) -> None:
    picture = drawn(deployment)
    height = float(picture.get("viewBox", "").split()[3])
    for element in picture.iter():
        for name, limit in (("x", WIDTH), ("cx", WIDTH), ("y", height), ("cy", height)):
            if (value := element.get(name)) is not None:
                assert 0 <= float(value) <= limit
    badges = [float(e.get("cx", 0)) for e in picture.iter(f"{SVG}circle")]
    assert len(badges) == len(events(deployment)) == len(texts(picture, "number"))
    if len(badges) <= 21:
        assert all(after - before >= 15 for before, after in itertools.pairwise(badges))
