"""Caches CDK's answers that never change, and durations: each costs a message to CDK's Node process."""

import functools
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import IConstruct, Node

_Object = TypeVar("_Object")
_Answer = TypeVar("_Answer")


def cached(ask: Callable[[_Object], _Answer]) -> Callable[[_Object], _Answer]:
    """A function of one object of CDK's that asks once for each object, and forgets the object when nobody else has it.

    Args:
        ask: The function. Its answer must never change.
    """
    answers: WeakKeyDictionary[_Object, _Answer] = WeakKeyDictionary()

    @functools.wraps(ask)
    def answer(of: _Object) -> _Answer:
        if of not in answers:
            answers[of] = ask(of)
        return answers[of]

    return answer


@cached
def node_of(construct: IConstruct) -> Node:
    """A construct's node."""
    return construct.node


@cached
def vpc_of(cluster: ecs.ICluster) -> ec2.IVpc:
    """The VPC of a cluster."""
    return cluster.vpc


@cached
def group_id(group: ec2.ISecurityGroup) -> str:
    """The id of a security group."""
    return group.security_group_id


@cached
def execution_role(definition: ecs.TaskDefinition) -> iam.IRole:
    """The execution role of a task definition, which CDK makes when it is first asked for."""
    return definition.obtain_execution_role()


@functools.cache
def seconds(amount: float) -> cdk.Duration:
    """A duration in seconds."""
    return cdk.Duration.seconds(amount)


@functools.cache
def minutes(amount: float) -> cdk.Duration:
    """A duration in minutes."""
    return cdk.Duration.minutes(amount)
