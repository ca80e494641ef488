"""A typed call of the generated Python client: what it sends, and what it makes of the answers."""

import json
from datetime import datetime, timezone
from uuid import UUID

import httpx
from asynchronous_ai_generation_client import AuthenticatedClient
from asynchronous_ai_generation_client.api.batches import submit_batch
from asynchronous_ai_generation_client.api.processes import generate, status
from asynchronous_ai_generation_client.models import (
    AcceptedAnswer,
    ActionRequest,
    ActionsOfSubGoalParams,
    BatchAcceptedAnswer,
    BatchRequest,
    ChartParams,
    ChartRequest,
    Depth,
    Failure,
    Priority,
    ProcessAnswer,
)

GOAL = UUID("0193e4a0-0000-7000-8000-000000000001")
sent = []


def api(request: httpx.Request) -> httpx.Response:
    """Answers with the examples of the published contract."""
    if request.method == "GET":
        item = {"id": str(GOAL), "title": "基礎を固める", "position": 0}
        process = {
            "processId": str(GOAL), "status": "COMPLETED", "type": "CHART_GENERATION", "progress": 100,
            "attempt": 1, "createdAt": "2026-11-22T01:00:00Z", "updatedAt": "2026-11-22T01:00:31Z",
            "retryCount": 0, "result": {"goalId": str(GOAL), "subGoals": [item], "usage": []},
        }
        return httpx.Response(200, json={"success": True, "data": process})
    body = json.loads(request.content)
    sent.append(body)
    if "requests" in body:
        error = {"code": "TOO_MANY_WAITING", "message": "…", "retryable": True, "retryAfter": 60}
        results = [{"index": 0, "processId": str(GOAL)}, {"index": 1, "error": error}]
        batch = {"batchId": str(GOAL), "accepted": 1, "refused": 1, "results": results}
        return httpx.Response(202, json={"success": True, "data": batch})
    if body["type"] == "ACTION_GENERATION":
        detail = {"field": "params.subGoalId", "message": "must be a UUID"}
        error = {"code": "VALIDATION_ERROR", "message": "…", "retryable": False, "details": [detail]}
        return httpx.Response(400, json={"success": False, "error": error})
    accepted = {
        "processId": str(GOAL), "status": "PENDING", "type": body["type"],
        "createdAt": "2026-11-22T01:00:00Z", "estimatedCompletionTime": "2026-11-22T01:01:00Z",
    }
    return httpx.Response(202, json={"success": True, "data": accepted})


client = AuthenticatedClient(
    base_url="https://example.invalid", token="t", httpx_args={"transport": httpx.MockTransport(api)}
)
params = ChartParams(
    goal_id=GOAL,
    title="フルマラソンを完走する",
    description="半年後の大会で完走する",
    deadline=datetime(2099, 12, 31, tzinfo=timezone.utc),
    background="運動の習慣がない",
    depth=Depth.TASKS,
)
accepted = generate.sync(client=client, body=ChartRequest(type_="CHART_GENERATION", params=params))
assert isinstance(accepted, AcceptedAnswer) and accepted.data.process_id == GOAL, accepted
assert sent[0] == {
    "type": "CHART_GENERATION",
    "params": {
        "goalId": str(GOAL), "title": "フルマラソンを完走する", "description": "半年後の大会で完走する",
        "deadline": "2099-12-31T00:00:00+00:00", "background": "運動の習慣がない", "depth": "tasks",
    },
}, sent

actions = ActionRequest(type_="ACTION_GENERATION", params=ActionsOfSubGoalParams(sub_goal_id=GOAL))
refused = generate.sync(client=client, body=actions)
assert isinstance(refused, Failure) and refused.error.details[0].field == "params.subGoalId", refused

process = status.sync(GOAL, client=client)
assert isinstance(process, ProcessAnswer) and process.data.result.sub_goals[0].position == 0, process

chart = ChartRequest(type_="CHART_GENERATION", params=params, priority=Priority.NORMAL)
judged = submit_batch.sync(client=client, body=BatchRequest(requests=[chart, actions]))
assert isinstance(judged, BatchAcceptedAnswer) and judged.data.refused == 1, judged
assert [request["type"] for request in sent[-1]["requests"]] == ["CHART_GENERATION", "ACTION_GENERATION"], sent
assert sent[-1]["requests"][0]["priority"] == "normal", sent
first, second = judged.data.results
assert first.process_id == GOAL and second.error.retry_after == 60, judged
