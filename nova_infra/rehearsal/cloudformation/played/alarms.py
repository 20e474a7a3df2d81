"""Alarms and the topics that they notify."""

from typing import Any

from nova_infra.rehearsal.cloudformation.shapes import ANY, FLAG, TEXT, Each, Number, Only

_METRIC = {"Namespace": TEXT, "MetricName": TEXT, "Dimensions": Each({"Name!": TEXT, "Value!": TEXT})}
_PERIOD = Only(("10", "20", "30", *(str(60 * minutes) for minutes in range(1, 1441))))

ALARMS: dict[str, dict[str, Any]] = {
    "AWS::CloudWatch::Alarm": {
        **_METRIC,
        "AlarmName": TEXT,
        "AlarmDescription": ANY,
        "AlarmActions": Each(TEXT),
        "OKActions": Each(TEXT),
        "InsufficientDataActions": ANY,
        "Unit": ANY,
        "ComparisonOperator": Only(
            (
                "GreaterThanThreshold",
                "GreaterThanOrEqualToThreshold",
                "LessThanThreshold",
                "LessThanOrEqualToThreshold",
                "GreaterThanUpperThreshold",
                "LessThanLowerThreshold",
                "LessThanLowerOrGreaterThanUpperThreshold",
            )
        ),
        "EvaluationPeriods": Number(1),
        "DatapointsToAlarm": Number(1),
        "Threshold": Number(float("-inf")),
        "ThresholdMetricId": TEXT,
        "ActionsEnabled": FLAG,
        "TreatMissingData": Only(("missing", "ignore", "breaching", "notBreaching")),
        "EvaluateLowSampleCountPercentile": Only(("evaluate", "ignore")),
        "Period": _PERIOD,
        "Statistic": TEXT,
        "ExtendedStatistic": TEXT,
        "Metrics": Each(
            {
                "Id!": TEXT,
                "Expression": TEXT,
                "Label": ANY,
                "Period": _PERIOD,
                "ReturnData": FLAG,
                "MetricStat": {"Metric!": _METRIC, "Period!": _PERIOD, "Stat!": TEXT},
            }
        ),
    },
    "AWS::CloudWatch::CompositeAlarm": {
        "AlarmName": TEXT,
        "AlarmDescription": ANY,
        "AlarmRule": TEXT,
        "AlarmActions": Each(TEXT),
        "OKActions": Each(TEXT),
        "ActionsEnabled": FLAG,
    },
    "AWS::SNS::Topic": {"TopicName": TEXT, "KmsMasterKeyId": ANY, "DisplayName": ANY},
}
