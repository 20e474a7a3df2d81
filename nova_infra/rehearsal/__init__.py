"""Plays a synthesized cloud assembly on this machine: no AWS, no CDK.

It is an interpreter of the assembly, not a second model of the system: what is not in the templates does not happen.

- ``cloudformation``, ``delivery``: read the templates, the pipeline and GitHub's workflow.
- ``environment``: what CloudFormation does with one environment's stacks, its load and its monitoring.
- ``ecs``, ``tasks``, ``jobs``: what ECS and Step Functions do with them; ``load_balancer``: the way of a request.
- ``cloudwatch``, ``usage``: metrics and alarms, processor time and memory.
- ``requests``, ``dependencies``: what users ask, and what runs alongside the services.
- ``pipeline``, ``drills``: the stages and actions in their order, then the faults.
- ``record``: what happened; ``live``, ``report``: showing it; ``run``: all of it from beginning to end.
"""
