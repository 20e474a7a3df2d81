"""Plays a synthesized cloud assembly on this machine: no AWS, no CDK.

It is an interpreter of the assembly, not a second model of the system: what is not in the templates does not happen.

- ``assembly``, ``intrinsics``, ``pipeline``: read the templates.
- ``stack``, ``environment``: what CloudFormation does with one environment's stacks.
- ``task``, ``proxy``, ``deployment``: what ECS and the load balancer do with them.
- ``metrics``, ``metric_math``, ``alarms``: what CloudWatch sees of it.
- ``play``: the stages and actions in their order; ``record``: what happened; ``view``: showing it.
"""
