"""What stands in for Lambda: it answers the interpreter's calls as the script of the run says."""

import io
import json
import threading

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_lambda,
)

# The HTTP status that Lambda gives with an error of its own, where it is not 400.
STATUS = {
    "ResourceNotFoundException": 404,
    "ServiceException": 500,
    "TooManyRequestsException": 429,
}
Task = state_task_service_lambda.StateTaskServiceLambda
interpreters_call = Task._eval_service_task
here = threading.local()


def batch_of(data):
    """The batch that an input or a payload is about, if it is about one."""
    return data.get("batchId") if isinstance(data, dict) else None


def place(state, data):
    """How the script and the report name a state: with its batch, if it has one."""
    batch = batch_of(data)
    return state if batch is None else f"{state} {batch}"


def answer_for(run):
    """Lets the run answer what the interpreter asks Lambda from now on."""

    def call(task, env, **rest):
        # The request does not say which state makes it.
        here.state = task.name
        interpreters_call(task, env=env, **rest)

    Task._eval_service_task = call
    lambda_eval_utils.boto_client_for = lambda **_: Lambda(run)


class Lambda:
    """A client of Lambda, as far as the interpreter uses one."""

    def __init__(self, run):
        self.run = run

    def invoke(self, FunctionName, Payload):
        payload = json.loads(Payload)
        at = place(here.state, payload)
        answer = self.run.answer_to(at, FunctionName, payload)
        if "returns" in answer:
            return response(answer["returns"])
        name, says = answer["fails"], answer["says"]
        if name.startswith("Lambda."):
            raise refusal(name.removeprefix("Lambda."), says)
        return response({"errorType": name, "errorMessage": says}, FunctionError="Unhandled")


def response(payload, **fields):
    body = io.BytesIO(json.dumps(payload).encode())
    return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": body, **fields}


def refusal(code, says):
    """An error of Lambda's own, as the client raises it."""
    metadata = {"HTTPStatusCode": STATUS.get(code, 400), "RequestId": "request"}
    error = {"Code": code, "Message": says}
    return ClientError({"Error": error, "ResponseMetadata": metadata}, "Invoke")
