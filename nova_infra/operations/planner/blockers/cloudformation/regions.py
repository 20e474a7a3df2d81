"""Refuses ARNs of another region where a service takes those of its own region only.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html, API_PutMetricAlarm (CloudWatch),
API_CreateEventSourceMapping and API_CreateFunction (Lambda), API_CreateService (ECS), API_SetQueueAttributes (SQS),
API_Certificate (Elastic Load Balancing), API_AssociateKmsKey (CloudWatch Logs), API_AssociateWebACL (WAF).
"""

import re
from collections.abc import Iterator, Mapping

from nova_infra.config.values.fields import aws_regions
from nova_infra.operations.changes.stated_values import values_at
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Step

_ACTIONS = ("AlarmActions[]", "OKActions[]", "InsufficientDataActions[]")
_NOTIFIED = ("LambdaConfigurations[].Function", "QueueConfigurations[].Queue", "TopicConfigurations[].Topic")
_OWN: Mapping[str, tuple[str, ...]] = {
    "AWS::CloudWatch::Alarm": _ACTIONS,
    "AWS::CloudWatch::CompositeAlarm": _ACTIONS,
    "AWS::ECS::Service": ("Cluster", "LoadBalancers[].TargetGroupArn", "ServiceRegistries[].RegistryArn"),
    "AWS::ElasticLoadBalancingV2::Listener": ("LoadBalancerArn", "Certificates[].CertificateArn"),
    "AWS::ElasticLoadBalancingV2::ListenerCertificate": ("ListenerArn", "Certificates[].CertificateArn"),
    "AWS::ElasticLoadBalancingV2::ListenerRule": ("ListenerArn", "Actions[].TargetGroupArn"),
    "AWS::Events::Rule": ("Targets[].Arn",),
    "AWS::Lambda::EventSourceMapping": ("EventSourceArn", "FunctionName"),
    "AWS::Lambda::Function": ("Layers[]",),
    "AWS::Logs::LogGroup": ("KmsKeyId",),
    "AWS::S3::Bucket": tuple(f"NotificationConfiguration.{each}" for each in _NOTIFIED),
    "AWS::SQS::Queue": ("RedrivePolicy.deadLetterTargetArn",),
    "AWS::WAFv2::WebACLAssociation": ("ResourceArn", "WebACLArn"),
}
_ARN = re.compile(r"arn:aws[\w-]*:(?!events:[^:]*:[^:]*:event-bus/)[\w-]+:([a-z0-9-]+):.*", re.DOTALL)
"""One with a region; a bus of EventBridge may be in any."""


def of_another_region(step: Step) -> Iterator[Refusal]:
    """Refuse what names a resource of another region, which its service looks for in the stack's."""
    here = step.after.key.region
    for logical_id, resource in step.given.items() if here in aws_regions() else ():
        # Any type may be a custom resource.
        for path in ("ServiceToken", *_OWN.get(str(resource.get("Type")), ())):
            for value in values_at(resource.get("Properties"), path):
                found = _ARN.fullmatch(value) if isinstance(value, str) else None
                if found is not None and found[1] != here and found[1] in aws_regions():
                    fault = f"is {value}, in {found[1]}, and the stack is in {here}"
                    yield step.refuse(f"{logical_id}.{path.replace('[]', '')}", fault, f"name one in {here}")
