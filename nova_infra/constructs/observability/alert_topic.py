"""The SNS topic of alerts: its encryption, who may publish, and its subscriptions by e-mail and chat."""

from collections.abc import Sequence

from aws_cdk import aws_chatbot as chatbot
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from nova_infra.config import Notifications
from nova_infra.constructs.observability.publisher import Publisher
from nova_infra.names import chat_topic_name


class AlertTopic(Construct):
    """An encrypted topic, published to over TLS by AWS services, with e-mail and chat subscriptions.

    Attributes:
        chat: A topic for messages in the form that chat shows; None where there is no channel, or none was asked for.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        publishers: Sequence[Publisher],
        key: kms.IKey,
        notifications: Notifications,
        own_messages: Sequence[Publisher] = (),
    ) -> None:
        """Create the topic and its subscriptions.

        Args:
            key: Key that encrypts the messages; its policy must let the publishers use it.
            own_messages: The services that publish messages of Nova's own wording. Chat drops what is neither an event
                that it knows nor in its own form, so a channel gets these from a topic of their own.
        """
        super().__init__(scope, construct_id)
        self.topic = self._topic("Topic", name, publishers, key)
        chatty = bool(own_messages) and notifications.slack is not None
        self.chat = self._topic("Chat", chat_topic_name(name), own_messages, key) if chatty else None
        for email in notifications.emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))
        if notifications.slack is not None:
            chatbot.SlackChannelConfiguration(
                self,
                "Slack",
                slack_channel_configuration_name=name,
                slack_workspace_id=notifications.slack.workspace,
                slack_channel_id=notifications.slack.channel,
                notification_topics=[self.topic, *([self.chat] if self.chat else [])],
                # People who write in the channel may only look.
                guardrail_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("CloudWatchReadOnlyAccess")],
            )

    def _topic(self, construct_id: str, name: str, publishers: Sequence[Publisher], key: kms.IKey) -> sns.Topic:
        topic = sns.Topic(self, construct_id, topic_name=name, master_key=key, enforce_ssl=True)
        # A policy of one's own replaces the default one, by which anyone in the account may publish: without this
        # statement, nothing could.
        for publisher in publishers:
            topic.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal(publisher.principal)],
                    actions=["sns:Publish"],
                    resources=[topic.topic_arn],
                    conditions=publisher.topic_conditions,
                )
            )
        return topic
