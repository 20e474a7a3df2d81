"""The chart of one deployment: an SVG on one time axis, and the same story as a list of events."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape

from nova_infra.rehearsal.record import DeploymentRecord, Requests
from nova_infra.rehearsal.report.alarm_samples import spared

WIDTH = 360
_SIDE = 4
_PLOT = 38
_TITLE = 15
_GAP = 9
_BADGES = 18
_LANE = 16
_BADGE_SPACE = 17
_MOST_MARKERS = 40
"""Above this number of points a line is drawn without a mark at each."""

_TOPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)

Value = Callable[[Requests], float]
Point = tuple[float, float, int]


@dataclass(frozen=True)
class Event:
    """Something that happened in a deployment."""

    minute: float
    text: str


def events(deployment: DeploymentRecord) -> list[Event]:
    """What happened in a deployment, in order."""
    began = deployment.began
    found: list[Event] = []
    if deployment.unwatched:
        found.append(Event(0, "an alarm is already red, so ECS watches none during this deployment"))
    for step in deployment.traffic:
        if step.percent:
            found.append(Event(step.began - began, _shift(deployment, step.percent)))
        else:
            found.append(Event(step.began - began, "all of the traffic back to the old revision"))
    for name, spans in _red_spans(deployment).items():
        would = ": it would have ended the deployment" if name in spared(deployment) else ""
        found += [Event(begin - began, f"{name} is in ALARM{would}") for begin, _ in spans if begin > began]
    # The end comes last, also where it falls on the same instant as what led to it.
    found.sort(key=lambda event: event.minute)
    return [*found, Event(deployment.ended - began, deployment.outcome)]


def _shift(deployment: DeploymentRecord, percent: float) -> str:
    if deployment.strategy == "ROLLING":
        return "every task is of the new revision"
    return f"{percent:g} % of the traffic to the new revision"


def deployment_chart(deployment: DeploymentRecord, *, key: str) -> str:
    """Traffic split, failed requests, latency and alarms of a deployment as SVG; empty where nothing was measured.

    It draws with the classes of ``report.css`` and the patterns that the report defines. The old revision is dashed and
    has squares, the new one is solid and has circles, an alarm is hatched: colour alone never carries meaning.
    """
    if not deployment.samples:
        return ""
    axis = _Axis(deployment.began, max(deployment.ended, deployment.samples[-1].minute))
    happened = events(deployment)
    plots: list[str] = []
    parts: list[str] = []
    y = _BADGES
    for title, top, body in _bands(deployment, axis):
        parts.append(_text(_SIDE, y + 11, title, "title") + _text(WIDTH - _SIDE, y + 11, top, "top"))
        y += _TITLE
        plots.append(f'<rect class="plot" x="{_SIDE}" y="{y}" width="{WIDTH - 2 * _SIDE}" height="{_PLOT}"/>')
        parts.append(body(y))
        y += _PLOT + _GAP
    parts.append(_text(_SIDE, y + 11, "Alarms", "title"))
    y += _TITLE
    spans = _red_spans(deployment)
    if not spans:
        parts.append(_text(_SIDE, y + 11, "none of the deployment's alarms went to ALARM", "note"))
        y += _LANE
    for name, lengths in spans.items():
        for begin, end in lengths:
            left, width = axis.x(begin), max(axis.x(end) - axis.x(begin), 3)
            parts.append(f'<rect class="red" x="{left:g}" y="{y}" width="{width:.1f}" height="{_LANE - 3}"/>')
        parts.append(_alarm_name(axis.x(lengths[0][0]), y + 10, name.removeprefix(f"{deployment.service}-")))
        y += _LANE
    parts += _ticks(axis, y)
    # The lines of the events lie on the plots and under all that is drawn in them.
    parts = [*plots, *_markers([event.minute for event in happened], axis, y), *parts]
    height = y + 16
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{key}-t {key}-d">'
        f'<title id="{key}-t">{escape(f"{deployment.environment}: {deployment.service}, {deployment.outcome}")}</title>'
        f'<desc id="{key}-d">{escape(_in_words(happened))}</desc>{"".join(parts)}</svg>'
    )


@dataclass(frozen=True)
class _Axis:
    """Simulated minutes to places on the picture."""

    began: float
    ended: float

    @property
    def length(self) -> float:
        return max(self.ended - self.began, 0.1)

    def x(self, minute: float) -> float:
        share = min(max((minute - self.began) / self.length, 0.0), 1.0)
        return round(_SIDE + (WIDTH - 2 * _SIDE) * share, 1)


def _bands(deployment: DeploymentRecord, axis: _Axis) -> Iterator[tuple[str, str, Callable[[int], str]]]:
    """Title, what its upper edge stands for, and body of each band; a body takes the place of its upper edge."""
    yield "Traffic to the new revision", "100 %", lambda y: _split(deployment, axis, y)
    for title, value, unit in (
        ("Failed requests", _failed_percent, _percent),
        ("Latency, mean", _milliseconds, _time),
    ):
        series = {name: _series(deployment, name, axis, value) for name in _revisions(deployment)}
        highest = max((point[1] for points in series.values() for point in points), default=0.0)
        top = next((top for top in _TOPS if top >= highest), highest)
        yield title, unit(top) if highest else "none", partial(_lines, deployment.new, series, top)


def _lines(new: str, series: Mapping[str, list[Point]], top: float, y: int) -> str:
    return "".join(_line(points, y, top, old=name != new) for name, points in series.items())


def _revisions(deployment: DeploymentRecord) -> list[str]:
    return [name for name in (deployment.old, deployment.new) if name is not None]


def _split(deployment: DeploymentRecord, axis: _Axis, y: int) -> str:
    """The share of the traffic that the new revision had, as a filled step line with its shares written on it."""
    bottom = y + _PLOT
    path, labels = [f"M{axis.x(axis.began):g} {bottom}"], []
    for begin, percent in _shares(deployment):
        level = bottom - _PLOT * percent / 100
        path.append(f"H{axis.x(begin):g}V{level:.1f}")
        if percent:
            # Written above the line, or below it where the line is at the upper edge.
            place = level - 3 if percent < 70 else level + 11
            x = axis.x(begin)
            beside, name = (x + 3, "share") if x < WIDTH - 45 else (x - 3, "share end")
            labels.append(_text(beside, place, f"{percent:g} %", name))
    path.append(f"H{axis.x(axis.ended):g}")
    line = "".join(path)
    fewer = labels if len(labels) <= 4 else [labels[0], labels[-1]]
    return f'<path class="area" d="{line}V{bottom}Z"/><path class="new" d="{line}"/>{"".join(fewer)}'


def _shares(deployment: DeploymentRecord) -> list[tuple[float, float]]:
    """Since when the new revision had which share of the traffic; measured where traffic follows the tasks."""
    if deployment.strategy != "ROLLING":
        return [(step.began, step.percent) for step in deployment.traffic]
    shares: list[tuple[float, float]] = []
    begin = deployment.began
    for sample in deployment.samples:
        total = sum(requests.served for requests in sample.requests.values())
        new = sample.requests.get(deployment.new, Requests()).served
        if total:
            shares.append((begin, round(100 * new / total)))
        begin = sample.minute
    return shares


def _series(deployment: DeploymentRecord, revision: str, axis: _Axis, value: Value) -> list[Point]:
    """Place, value and number of each minute in which a revision got requests: no request is not 0 % failed."""
    points, begin = [], deployment.began
    for number, sample in enumerate(deployment.samples):
        requests = sample.requests.get(revision)
        if requests is not None and requests.served:
            points.append((axis.x((begin + sample.minute) / 2), value(requests), number))
        begin = sample.minute
    return points


def _line(points: list[Point], y: int, top: float, *, old: bool) -> str:
    """A line through the points, broken where minutes are missing."""
    path, marks, before = "", [], None
    for x, value, number in points:
        level = round(y + _PLOT - 3 - (_PLOT - 6) * min(value / top, 1), 1)
        path += f"{'L' if before == number - 1 else 'M'}{x:g} {level:g}"
        before = number
        if old:
            marks.append(f"M{x - 2:g} {level - 2:g}h4v4h-4z")
        else:
            marks.append(f"M{x - 2.5:g} {level:g}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0z")
    name = "old" if old else "new"
    drawn = f'<path class="{name}" d="{path}"/>' if path else ""
    if marks and len(marks) <= _MOST_MARKERS:
        drawn += f'<path class="{name} mark" d="{"".join(marks)}"/>'
    return drawn


def _red_spans(deployment: DeploymentRecord) -> dict[str, list[tuple[float, float]]]:
    """Alarm to the spans in which it was red: from the end of the minute that made it so."""
    spans: dict[str, list[tuple[float, float]]] = {}
    first = deployment.samples[:1]
    for sample, after in zip(deployment.samples, [*deployment.samples[1:], None], strict=True):
        end = after.minute if after is not None else max(deployment.ended, sample.minute)
        for name in sample.red:
            begin = deployment.began if name in deployment.red_before and [sample] == first else sample.minute
            known = spans.setdefault(name, [])
            if known and known[-1][1] == begin:
                known[-1] = (known[-1][0], end)
            else:
                known.append((begin, end))
    return spans


def _alarm_name(x: float, y: float, name: str) -> str:
    """The name beside its bar: on the left of it where the bar begins in the right half."""
    if x > WIDTH / 2:
        return f'<text class="alarm" x="{x - 4:g}" y="{y:g}" text-anchor="end">{escape(name)}</text>'
    return f'<text class="alarm on" x="{x + 4:g}" y="{y:g}">{escape(name)}</text>'


def _ticks(axis: _Axis, y: int) -> list[str]:
    """The time axis, in simulated minutes since the deployment began, with six labels at most."""
    step = next(s for s in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 240, 480, 1440, 10_000) if axis.length / s <= 6)
    drawn, minute = [], 0.0
    while minute <= axis.length:
        x = axis.x(axis.began + minute)
        anchor = "start" if x < 12 else "end" if x > WIDTH - 26 else "middle"
        label = f"{minute:g} min" if not minute else f"{minute:g}"
        drawn.append(f'<text class="tick" x="{x:g}" y="{y + 12}" text-anchor="{anchor}">{label}</text>')
        minute += step
    return drawn


def _markers(minutes: list[float], axis: _Axis, bottom: int) -> list[str]:
    """A numbered badge and a line through all bands for each event; badges that would touch are moved apart."""
    places = [axis.x(axis.began + minute) for minute in minutes]
    edge = _BADGE_SPACE / 2
    space = min(_BADGE_SPACE, (WIDTH - 2 * edge) / max(len(places) - 1, 1))
    badges: list[float] = []
    for place in places:
        badges.append(max(place, badges[-1] + space if badges else edge))
    limit = WIDTH - edge
    for number in reversed(range(len(badges))):
        badges[number] = min(badges[number], limit)
        limit = badges[number] - space
    return [
        f'<path class="event" d="M{badge:.1f} 15L{place:g} {_BADGES + 4}V{bottom}"/>'
        f'<circle class="badge" cx="{badge:.1f}" cy="8" r="7.5"/>{_text(badge, 11.5, str(number), "number")}'
        for number, (place, badge) in enumerate(zip(places, badges, strict=True), start=1)
    ]


def _text(x: float, y: float, text: str, name: str) -> str:
    return f'<text class="{name}" x="{x:g}" y="{y:g}">{escape(text)}</text>'


def _in_words(happened: Iterable[Event]) -> str:
    return "; ".join(f"minute {event.minute:.1f}: {event.text}" for event in happened)


def _failed_percent(requests: Requests) -> float:
    return 100 * requests.failed / requests.served


def _milliseconds(requests: Requests) -> float:
    return 1000 * requests.seconds / requests.served


def _percent(value: float) -> str:
    return f"{value:g} %"


def _time(milliseconds: float) -> str:
    return f"{milliseconds / 1000:g} s" if milliseconds >= 1000 else f"{milliseconds:g} ms"
