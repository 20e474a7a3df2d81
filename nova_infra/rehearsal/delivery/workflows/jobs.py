"""All jobs of a workflow: those of a matrix, of called (reusable) workflows, in the order of ``needs``.

A called workflow has a beginning, which waits for what the call needs, and an end, which has its outputs.
See https://docs.github.com/en/actions/how-tos/reuse-automations/reuse-workflows and
https://docs.github.com/en/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nova_infra.documents.files import UnreadableFileError, read_text
from nova_infra.rehearsal.delivery.workflows.job import GATE, WorkflowJob, in_checkout
from nova_infra.rehearsal.delivery.workflows.language.expressions import ExpressionError
from nova_infra.rehearsal.delivery.workflows.language.syntax import WorkflowError, WorkflowText, every_step
from nova_infra.rehearsal.delivery.workflows.language.values import Open, as_text, is_unknown

_DEPTH = 10
_OUTPUT = re.compile(r"\s*\$\{\{\s*needs\.[\w-]+\.outputs\.[\w-]+\s*\}\}\s*")
Combination = dict[str, Any]


def jobs_of(
    source: WorkflowText, root: Path, *, prefix: str = "", begins: WorkflowJob | None = None
) -> dict[str, WorkflowJob]:
    """Every job of a workflow by name, in the order in which they are written.

    Args:
        root: The checkout, where workflows that it calls are looked for.
        begins: The beginning of this workflow, if another one calls it.
    """
    found: dict[str, WorkflowJob] = {}
    own: list[WorkflowJob] = []
    for name, content in source.content["jobs"].items():
        waits_for = content.get("needs") or []
        waits_for = [waits_for] if isinstance(waits_for, str) else list(waits_for)
        if unknown := next((other for other in waits_for if other not in source.content["jobs"]), None):
            raise source.error(name, f"job {name} needs {unknown!r}, which is not a job", "correct needs")
        for ending, values in combinations(content):
            job = _job(source, f"{prefix}{name}{ending}", str(name), content, begins)
            job.needs, job.matrix = list(map(str, waits_for)), values
            if in_checkout(str(content.get("uses", ""))).startswith("./"):
                found |= _called(source, root, job)
            else:
                job.gates = next((match[1] for script in job.scripts() for match in GATE.finditer(script)), "")
            found[job.name] = job
            own.append(job)
    for job in own:
        # Who needs a job with a matrix waits for all of its combinations.
        first = [each.name for other in job.needs for each in own if each.base == other] or _first(begins)
        if job.ends:
            found[job.ends].needs = first
            job.needs = [name for name, each in found.items() if each.called_by is found[job.ends]] + [job.ends]
        else:
            job.needs = first
    return found


def ordered(source: WorkflowText, jobs: Mapping[str, WorkflowJob]) -> list[WorkflowJob]:
    """The jobs, each after those that it needs, otherwise as they are written."""
    waiting, done = dict(jobs), dict[str, WorkflowJob]()
    while waiting:
        job = next((job for job in waiting.values() if all(other in done for other in job.needs)), None)
        if job is None:
            raise source.error(next(iter(waiting)), f"{', '.join(waiting)} need each other", "correct needs")
        job.ancestors = {*job.needs, *(a for other in job.needs for a in done[other].ancestors)}
        done[job.name] = waiting.pop(job.name)
    return list(done.values())


def _first(begins: WorkflowJob | None) -> list[str]:
    return [begins.name] if begins is not None else []


def _job(
    source: WorkflowText, name: str, base: str, content: Mapping[str, Any], begins: WorkflowJob | None
) -> WorkflowJob:
    given = begins.permissions if begins is not None else None
    permissions = content.get("permissions", source.content.get("permissions", given))
    if begins is not None and (scope := _more_than(permissions, given)):
        fault = (
            f"job {base} asks for {scope}, which the job that calls its workflow does not have, so GitHub refuses it"
        )
        raise source.error(base, fault, "add it to the permissions of the job that calls it")
    steps = [each for each in every_step(content.get("steps", [])) if each.keys() & {"run", "uses"}]
    job = WorkflowJob(name, content, [], steps, permissions, base)
    job.environment, job.called_by = source.content.get("env") or {}, begins
    job.inputs = begins.inputs if begins is not None else {}
    both = [(each.get("defaults") or {}).get("run") or {} for each in (source.content, content)]
    both = [{"shell": each} if isinstance(each, str) else each for each in both]  # as an expression says: not known
    job.defaults = {key: value for each in both for key, value in each.items()}
    return job


def _more_than(asked: Any, given: Any) -> str:
    """The first permission that is asked for and not given; empty for none. No workflow may sign unless it says so."""
    levels = ("none", "read", "write")
    for scope, level in asked.items() if isinstance(asked, Mapping) else ():
        if isinstance(given, Mapping):
            known = given.get(scope, "none")
        else:
            known = (
                "none"
                if scope == "id-token" and given != "write-all"
                else str(given or "write-all").removesuffix("-all")
            )
        if levels.index(level or "none") > levels.index(known or "none"):
            return f"{scope}: {level}"
    return ""


def _called(source: WorkflowText, root: Path, job: WorkflowJob) -> dict[str, WorkflowJob]:
    """The jobs of the workflow that a job calls; the job itself becomes their end."""
    path = root / in_checkout(str(job.content["uses"]))
    try:
        inner = WorkflowText(path.relative_to(root), read_text(path))
    except (FileNotFoundError, UnreadableFileError) as error:
        why = error if isinstance(error, UnreadableFileError) else "does not exist"
        fault = f"job {job.base} calls {job.content['uses']}, which {why}"
        raise source.error(job.base, fault, "correct uses") from None
    on = inner.content.get("on")
    call = (on.get("workflow_call") or {}) if isinstance(on, Mapping) and "workflow_call" in on else None
    if call is None and on != "workflow_call" and "workflow_call" not in (on or ()):
        fault = f"job {job.base} calls {job.content['uses']}, which is not started by workflow_call"
        raise source.error(job.base, fault, "correct its on:")
    if job.name.count(" / ") >= _DEPTH:
        raise WorkflowError(f"{source.path}:1: calls itself: correct uses")
    call = call or {}
    _check_call(source, job, call)
    wanted = {key: each or {} for key, each in (call.get("inputs") or {}).items()}
    empty = {"boolean": False, "number": 0}
    defaults = {key: each.get("default", empty.get(str(each.get("type")), "")) for key, each in wanted.items()}
    begins = WorkflowJob(f"{job.name} (called)", job.content, [], [], job.permissions, matrix=job.matrix)
    begins.inputs, begins.called_by = {**defaults, **(job.content.get("with") or {})}, job.called_by
    outputs = {key: (each or {}).get("value", "") for key, each in (call.get("outputs") or {}).items()}
    job.content = {"outputs": outputs}
    job.ends = begins.name
    return {begins.name: begins, **jobs_of(inner, root, prefix=f"{job.name} / ", begins=begins)}


def _check_call(source: WorkflowText, job: WorkflowJob, call: Mapping[str, Any]) -> None:
    """Refuse what GitHub refuses: inputs and secrets that are missing, or that the called workflow does not have."""
    for kind, key in (("input", "with"), ("secret", "secrets")):
        known, given = call.get(f"{kind}s") or {}, job.content.get(key) or {}
        if given == "inherit":
            continue
        names = {str(name).lower() for name in given}
        needed = [name for name, each in known.items() if (each or {}).get("required") is True]
        missing = [name for name in needed if str(name).lower() not in names]
        strange = names - {str(name).lower() for name in known}
        for name in (*missing, *sorted(strange)):
            why = f"needs the {kind}" if name in missing else f"has no {kind}"
            fault = f"job {job.base} calls {job.content['uses']}, which {why} {name}, so GitHub refuses it"
            raise source.error(job.base, fault, f"correct {key}:")


def combinations(content: Mapping[str, Any]) -> list[tuple[str, Combination]]:
    """What a job runs for: the end of each one's name, and the values of its ``matrix`` context.

    A matrix that an expression gives is known only on GitHub: the job then counts as one, whose values nobody knows.
    """
    strategy = content.get("strategy")
    matrix = strategy.get("matrix") if isinstance(strategy, Mapping) else None
    if isinstance(strategy, str) or isinstance(matrix, str):
        return [("", Open())]
    if not isinstance(matrix, Mapping):
        return [("", {})]
    if any(isinstance(each, str) for each in (*matrix.values(), *matrix.get("include", ()))):
        return [("", Open())]
    found = list(_combined({key: values or () for key, values in matrix.items()}))
    return [(f" ({', '.join(map(_said, each.values()))})", each) for each in found] or [("", {})]


def _combined(matrix: Mapping[str, Any]) -> Iterator[Combination]:
    axes = {key: values for key, values in matrix.items() if key not in ("include", "exclude")}
    product = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())] if axes else []
    kept = [each for each in product if not any(_fits(each, left_out) for left_out in matrix.get("exclude", ()))]
    alone = []
    for more in matrix.get("include", ()):
        # It adds to the combinations whose own values it does not change; one that fits none is a further one.
        shared = {key: value for key, value in more.items() if key in axes}
        fitting = [each for each in kept if _fits(each, shared)]
        for each in fitting:
            each.update(more)
        if not fitting:
            alone.append(dict(more))
    yield from (*kept, *alone)


def _fits(combination: Combination, values: Mapping[str, Any]) -> bool:
    return all(key in combination and combination[key] == value for key, value in values.items())


def _said(value: Any) -> str:
    return ", ".join(map(_said, value.values())) if isinstance(value, Mapping) else as_text(value)


def why_no_combinations(content: Mapping[str, Any], evaluated: Callable[[str], Any]) -> str:
    """Why GitHub finds nothing that a job with a matrix could run for; empty if it does.

    Args:
        evaluated: What an expression of the job is worth.
    """
    strategy = content.get("strategy")
    matrix = strategy.get("matrix") if isinstance(strategy, Mapping) else None
    if matrix is None:
        return ""
    try:
        whole = evaluated(matrix) if isinstance(matrix, str) else matrix
        for name, values in (whole if isinstance(whole, Mapping) else {}).items():
            found = evaluated(values) if isinstance(values, str) else values
            if isinstance(values, str) and _OUTPUT.fullmatch(values):
                return f"its matrix takes {name!r} from an output, which is a text: write fromJSON() around it"
            if name not in ("include", "exclude") and not found and not is_unknown(found):
                return f"GitHub finds no values {name!r} for its matrix"
    except ExpressionError as error:
        return f"GitHub cannot evaluate its matrix: {error}"
    return "" if whole or is_unknown(whole) else "GitHub finds no values for its matrix"


def runs_often(content: Mapping[str, Any], evaluated: Callable[[str], Any]) -> bool:
    """Whether a job surely has several combinations, though only a run knows which."""
    strategy = content.get("strategy")
    matrix = strategy.get("matrix") if isinstance(strategy, Mapping) else None
    if not isinstance(matrix, Mapping) or "exclude" in matrix:
        return False
    axes = [evaluated(each) if isinstance(each, str) else each for key, each in matrix.items() if key != "include"]
    return any(isinstance(each, list) and len(each) > 1 for each in axes) and all(isinstance(e, list) for e in axes)
