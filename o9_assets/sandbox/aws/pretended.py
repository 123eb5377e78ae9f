"""What moto answers without doing it. These calls are refused rather than answered with a success that is none.

Operations that one of our fakes has are never looked up here.
"""

from __future__ import annotations

__all__ = ["pretended"]

_ALL = frozenset(
    {"athena", "batch", "comprehend", "emr-serverless", "forecast", "rekognition", "redshift-data", "textract"}
)
"""Services of which moto keeps no more than names and states."""

_SOME = {
    "datasync": ("StartTaskExecution", "CancelTaskExecution"),
    "dms": ("StartReplicationTask", "StopReplicationTask"),
    "ecs": ("RunTask", "StartTask"),
    "emr": ("RunJobFlow", "AddJobFlowSteps"),
    "glue": (
        "BatchGetCrawlers",
        "BatchGetJobs",
        "CreateSession",
        "CreateTrigger",
        "CreateWorkflow",
        "ListCrawls",
        "StartCrawlerSchedule",
        "StartDataQualityRulesetEvaluationRun",
        "StartTrigger",
        "StartWorkflowRun",
        "StopCrawler",
    ),
    "sagemaker": (
        "CreateAutoMLJob",
        "CreateAutoMLJobV2",
        "CreateEndpoint",
        "CreateHyperParameterTuningJob",
        "CreateProcessingJob",
        "CreateTrainingJob",
        "CreateTransformJob",
        "StartPipelineExecution",
    ),
    "stepfunctions": ("StartExecution", "StartSyncExecution"),
    "transcribe": ("StartTranscriptionJob",),
}


def pretended(service: str, operation: str) -> bool:
    """Whether moto only pretends to do this."""
    return service in _ALL or operation in _SOME.get(service, ())
