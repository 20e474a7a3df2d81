"""One deployment on one time axis, as HTML with inline SVG that needs no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nova_infra.rehearsal.record import DeploymentRecord, Requests

_WIDTH = 600
_HEIGHT = 60
Points = list[tuple[float, float]]


def deployment_chart(deployment: DeploymentRecord) -> str:
    """Traffic split, failed requests, latency and alarm of a deployment; empty where nothing was measured."""
    samples = deployment.samples
    if not samples:
        return ""
    began, length = deployment.began, max(deployment.ended - deployment.began, 1.0)

    def x(minute: float) -> float:
        return _WIDTH * min(max((minute - began) / length, 0.0), 1.0)

    traffic: Points = [(0, 0)]
    for step in deployment.traffic:
        traffic += [(x(step.began), traffic[-1][1]), (x(step.began), step.percent)]
    traffic.append((_WIDTH, traffic[-1][1]))
    old, new = deployment.old or "", deployment.new
    failed = {name: [(x(s.minute), _failed(s.requests.get(name))) for s in samples] for name in (old, new)}
    latency = {name: [(x(s.minute), _latency(s.requests.get(name))) for s in samples] for name in (old, new)}
    slowest = max((value for points in latency.values() for _, value in points), default=0.0) or 1.0
    red = [(x(s.minute - 1), x(s.minute)) for s in samples if s.red]
    rows = [
        _row("Traffic to the new revision", "100 %", _line(traffic, 100, "new", filled=True), red),
        _row("Failed requests", "100 %", _line(failed[old], 100, "old") + _line(failed[new], 100, "new"), red),
        _row(
            "Latency, mean",
            _time(slowest),
            _line(latency[old], slowest, "old") + _line(latency[new], slowest, "new"),
            red,
        ),
    ]
    names = sorted({name for s in samples for name in s.red})
    alarms = f' <span class="key alarm">{escape(", ".join(names))} in ALARM</span>' if names else ""
    return (
        f'<figure role="img" aria-label="{escape(_in_words(deployment))}">'
        + "".join(rows)
        + f'<div class="axis"><span>0</span><span>{length:.0f} simulated minutes</span></div>'
        + f'<figcaption><span class="key old">{escape(old or "nothing before")}</span> '
        + f'<span class="key new">{escape(new)}</span>{alarms}</figcaption></figure>'
    )


def _in_words(deployment: DeploymentRecord) -> str:
    steps = ", then ".join(f"{step.percent:g} %" for step in deployment.traffic) or "none"
    return f"{deployment.service}: traffic to the new revision {steps}; {deployment.outcome} {deployment.reason}"


def _row(title: str, top: str, lines: str, red: Sequence[tuple[float, float]]) -> str:
    bands = "".join(f'<rect class="red" x="{a:.1f}" y="0" width="{b - a:.1f}" height="{_HEIGHT}"/>' for a, b in red)
    return (
        f'<div class="row"><div class="label"><span>{title}</span><span>{top}</span></div>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{bands}{lines}'
        "</svg></div>"
    )


def _line(points: Points, top: float, name: str, *, filled: bool = False) -> str:
    """A line through the points; values run from 0 to top."""
    if not points:
        return ""
    drawn = [f"{x:.1f},{_HEIGHT - 1 - (_HEIGHT - 2) * min(value / top, 1):.1f}" for x, value in points]
    area = f'<polygon class="{name} area" points="0,{_HEIGHT} {" ".join(drawn)} {_WIDTH},{_HEIGHT}"/>' if filled else ""
    return f'{area}<polyline class="{name}" points="{" ".join(drawn)}"/>'


def _failed(requests: Requests | None) -> float:
    return 100 * requests.failed / requests.served if requests and requests.served else 0.0


def _latency(requests: Requests | None) -> float:
    return 1000 * requests.seconds / requests.served if requests and requests.served else 0.0


def _time(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= 1000 else f"{milliseconds:.0f} ms"
