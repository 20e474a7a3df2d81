"""The report of a rehearsal: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files

from nova_infra.rehearsal.chart import deployment_chart
from nova_infra.rehearsal.drills import DrillResult
from nova_infra.rehearsal.record import ActionRecord, DeploymentRecord, Record, StageRecord
from nova_infra.rehearsal.view import blast_cells

_STYLE = files("nova_infra.rehearsal").joinpath("report.css").read_text(encoding="utf-8")

_SIGNS = {"succeeded": "✓", "failed": "✗", "stopped": "■", "running": "▶", "not reached": "·"}
_CLASSES = {"succeeded": "good", "failed": "bad", "stopped": "bad"}

_REAL = [
    "the order and parallelism of stages and actions, from the pipeline's template",
    "the build's and the tests' commands",
    "the services, as processes with the command, environment, health check and stop timeout of their task definitions",
    "every request, through a load balancer that obeys the listener rules, their weights and the targets' health",
]
_SIMULATED = [
    "time: a minute of bake or alarm period lasts a second",
    "the decisions of ECS, CloudWatch and CloudFormation, from their documentation",
    "the users: a steady forty requests a minute to each service",
]


def report(record: Record, drills: Sequence[DrillResult]) -> str:
    """The report as one HTML document.

    Args:
        record: What happened in the pipeline.
        drills: How the drills went.
    """
    passed = record.succeeded and all(result.passed for result in drills)
    deployments = [deployment for deployment in record.deployments if not deployment.baseline]
    sections = [
        f"<h1>{escape(record.pipeline)}: {escape(record.candidate)} over {escape(record.baseline)}</h1>",
        f'<p class="verdict {"good" if passed else "bad"}">{escape(_verdict(record, drills))}</p>',
        *[f'<p class="bad">{escape(reason)}</p>' for reason in _reasons(record)],
        f'<h2>The pipeline</h2><div class="grid">{"".join(map(_stage, record.stages))}</div>',
    ]
    if drills:
        sections.append(_drill_table(drills))
    if deployments:
        cards = "".join(_deployment(d, heading="h3") for d in deployments)
        sections.append(f'<h2>Deployments</h2><div class="grid">{cards}</div>')
    if charts := [_drill_chart(result) for result in drills if result.deployment and result.deployment.samples]:
        sections.append(f'<h2>Deployments in the drills</h2><div class="grid">{"".join(charts)}</div>')
    if record.notifications:
        told = [f"{n.environment}, minute {n.minute}: {n.topic}: {n.message}" for n in record.notifications]
        sections.append(f"<h2>Who was told</h2>{_list(told)}")
    sections.append(
        f"<h2>What was real</h2>{_list(_REAL)}<h2>What was simulated</h2>{_list([*_SIMULATED, *_slow(record)])}"
    )
    sections.append(f"<h2>What was not rehearsed</h2>{_list(record.not_rehearsed)}")
    title = escape(f"Rehearsal of {record.pipeline}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body>{''.join(sections)}</body></html>"
    )


def _verdict(record: Record, drills: Sequence[DrillResult]) -> str:
    if not record.succeeded:
        return "This release would be stopped."
    failed = [result.drill for result in drills if not result.passed]
    if failed:
        return f"Prod would take this release, but not every bad one is stopped as it must: {', '.join(failed)}."
    count = f" All {len(drills)} drills ended as they must." if drills else ""
    return f"Prod would take this release.{count}"


def _reasons(record: Record) -> list[str]:
    return [
        f"{stage.name}.{action.name}: {action.note}"
        for stage in record.stages
        for action in stage.actions
        if action.status == "failed"
    ]


def _stage(stage: StageRecord) -> str:
    time = f' <span class="dim">{stage.seconds:.1f} s</span>' if stage.seconds else ""
    actions = "".join(f"<li>{_action(action)}</li>" for action in stage.actions)
    return (
        f'<section class="card"><h3>{_sign(stage.status)} {escape(stage.name)}{time}</h3>'
        f'<ol class="actions">{actions}</ol></section>'
    )


def _action(action: ActionRecord) -> str:
    simulated = " (simulated)" if action.played == "simulated" and action.status != "not reached" else ""
    text = f"{_sign(action.status)} {escape(action.name)}{simulated}"
    if action.note:
        text += f'<br><span class="dim">{escape(action.note)}</span>'
    if action.status == "failed" and action.output:
        text += f"<pre>{escape(chr(10).join(action.output[-20:]))}</pre>"
    return text


def _sign(status: str) -> str:
    return f'<span class="{_CLASSES.get(status, "dim")}" title="{status}">{_SIGNS[status]}</span>'


def _deployment(deployment: DeploymentRecord, *, heading: str) -> str:
    outcome = "good" if deployment.outcome == "completed" else "bad"
    reason = f"<p>{escape(deployment.reason)}</p>" if deployment.reason else ""
    return (
        f'<section class="card"><{heading}>{escape(deployment.environment)}: {escape(deployment.service)}</{heading}>'
        f'<p>{deployment.strategy.lower().replace("_", "/")}, <span class="{outcome}">{deployment.outcome}</span></p>'
        f"{reason}{deployment_chart(deployment)}</section>"
    )


def _drill_chart(result: DrillResult) -> str:
    assert result.deployment is not None, "only drills with a deployment are drawn"
    card = _deployment(result.deployment, heading="h4")
    return f'<div><h3>{escape(result.drill)} <span class="dim">{escape(result.canary)}</span></h3>{card}</div>'


def _drill_table(drills: Sequence[DrillResult]) -> str:
    rows = "".join(_drill_row(result) for result in drills)
    headings = [
        "Drill",
        "Canary",
        "What must follow",
        "Alarm after",
        "Traffic back after",
        "Old alone after",
        "Failed requests",
    ]
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    return (
        "<h2>Drills</h2><p class='dim'>Times are simulated minutes after the new revision's first bad answer.</p>"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _drill_row(result: DrillResult) -> str:
    sign = _sign("succeeded" if result.passed else "failed")
    misses = f'<br><span class="bad">{escape("; ".join(result.misses))}</span>' if result.misses else ""
    name = f'{sign} {escape(result.drill)}<br><span class="dim">{escape(result.title)}</span>'
    cells = [name, escape(result.canary), escape(result.expected) + misses, *map(escape, blast_cells(result))]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _slow(record: Record) -> list[str]:
    if not record.slow_minutes:
        return []
    return [
        f"the machine was busy, so the clock waited: {record.slow_minutes} simulated minutes lasted longer than others"
    ]


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
