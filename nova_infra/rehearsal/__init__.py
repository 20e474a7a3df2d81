"""Plays a synthesized cloud assembly on this machine: no AWS, no CDK.

It is an interpreter of the assembly, not a second model of the system: what is not in the templates does not happen.

- ``assembly``, ``intrinsics``, ``pipeline``: read the templates.
- ``stack``, ``environment``: what CloudFormation does with one environment's stacks.
- ``task``, ``deployment``: what ECS does with them; ``routing``, ``proxy``: what the load balancer does.
- ``metrics``, ``metric_math``, ``alarms``, ``monitoring``: what CloudWatch sees of it.
- ``release``: the candidate and the baseline; ``play``: the stages and actions in their order.
- ``record``: what happened; ``view``: showing it; ``run``: all of it from beginning to end.
"""
