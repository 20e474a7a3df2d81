"""Task sizes that Fargate does not have.

A task definition whose CPU and memory do not go together is refused when it is registered ("No Fargate configuration
exists for given values"): https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html.
"""

from collections.abc import Iterator

from nova_infra.checks.rule import as_list
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Step

_GIB = 1024
# CPU units to the memory in MiB that goes with them.
_MEMORY: dict[int, tuple[int, ...]] = {
    256: (512, _GIB, 2 * _GIB),
    512: tuple(range(_GIB, 4 * _GIB + 1, _GIB)),
    1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}


def impossible_sizes(step: Step) -> Iterator[Refusal]:
    """Refuse a task definition for Fargate whose CPU and memory do not go together."""
    for logical_id, properties in step.after.of_type("AWS::ECS::TaskDefinition") if step.actions else ():
        size = [properties.get(name) for name in ("Cpu", "Memory")]
        runs_on = as_list(properties.get("RequiresCompatibilities"))
        if "FARGATE" not in runs_on or not all(str(value).isdecimal() for value in size):
            continue
        cpu, memory = (int(str(value)) for value in size)
        if memory in _MEMORY.get(cpu, ()):
            continue
        near = sorted(_MEMORY.get(cpu, ()), key=lambda known: (abs(known - memory), known))
        remedy = f"give it {near[0]} MiB" if near else f"choose one of {', '.join(map(str, _MEMORY))} CPU units"
        yield Refusal(
            step.after.key.name,
            f"{logical_id}.{'Memory' if near else 'Cpu'}",
            f"Fargate has no task size of {cpu} CPU units and {memory} MiB",
            remedy,
        )
