"""What the agent answers: a run with its steps, at once or as events while they happen."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class StepProblem(BaseModel):
    """Why a step failed."""

    status: int = Field(description="What the HTTP status would be if this step were the whole request.")
    detail: str
    retry_after_seconds: int | None = Field(default=None, description="For 503: when to try again.")


class Step(BaseModel):
    """One call of one service."""

    name: str = Field(description="What it is for, in words.", examples=["Measure the sound"])
    service: str | None = Field(description="Which service; null where none is configured for it.")
    operation: str
    status: Literal["planned", "running", "succeeded", "failed"] = "planned"
    attempts: int = 0
    started_ms: float | None = Field(default=None, description="Milliseconds after the run began.")
    duration_ms: float | None = None
    result: dict[str, Any] | None = None
    problem: StepProblem | None = None


class Run(BaseModel):
    """What became of a request."""

    outcome: Literal["complete", "partial", "failed"]
    summary: str = Field(description="One sentence: what was done, and which part failed.")
    duration_ms: float
    steps: list[Step]


class Event(BaseModel):
    """One line of the stream: the plan, a change of one step, or the end."""

    event: Literal["planned", "started", "finished", "done"]
    index: int | None = Field(default=None, description="Which step of the plan changed.")
    step: Step | None = None
    steps: list[Step] | None = None
    run: Run | None = None
