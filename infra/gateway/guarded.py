"""The stack's AWS gateway: ministack behind a guard, in one process, so that no unguarded port exists.

ministack is made to be open. Any page that the developer's browser shows can reach a port of this machine, and
without the guard it could create and run a function there. `AUTH=true` does not help against that: ministack
checks the signatures of the keys it has issued, but takes the key `test`, every number of twelve digits and its
own configured key as the root user's without looking at the signature.

So each request must be
  - for this machine by name (a page can make its own name resolve to 127.0.0.1, but cannot change the Host),
  - and for the API, whose authorizer asks for a token, or signed with the secret of this stack's key or of a
    function's role, and from no page.

With `AUTH=true` the policies of the template decide what a function may do, as they do on AWS.
"""

import hashlib
import hmac
import json
import os
import re
import threading
import time
from urllib.parse import parse_qs, quote

from ministack import app as ministack
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, responses, sigv4
from ministack.services import lambda_svc, sts

KEY = os.environ["AWS_ACCESS_KEY_ID"]
SECRET = os.environ["AWS_SECRET_ACCESS_KEY"]
PORT = os.environ["GATEWAY_PORT"]
CALLS = os.environ["CALLS_FILE"]

HOSTS = frozenset(f"{name}:{PORT}" for name in ("127.0.0.1", "localhost", "[::1]"))
API = re.compile(r"/_aws/execute-api/[^/]+/[^/]+")
# It tells that the gateway is up, and nothing else.
READY = "/_ministack/ready"
# The public keys of a user pool: public on AWS too, and read from here by the API's authorizer.
POOL_KEYS = re.compile(r"/[a-z0-9-]+_[A-Za-z0-9]+/\.well-known/jwks\.json")
ALGORITHM = "AWS4-HMAC-SHA256 "
# Where a custom resource's function puts its answer: the path bears a token that only it was told.
ANSWER = re.compile(r"/_ministack/cfn-response/[A-Za-z0-9-]{16,}")


class Request:
    """What the guard reads of a request."""

    def __init__(self, scope):
        self.method = scope["method"]
        self.path = scope["path"]
        self.raw_path = (scope.get("raw_path") or quote(self.path).encode()).decode("latin-1")
        self.headers = joined(scope["headers"])
        text = scope.get("query_string", b"").decode("utf-8", "replace")
        self.query = parse_qs(text, keep_blank_values=True)

    def is_for_this_machine(self):
        return self.headers.get("host", "") in HOSTS

    def is_open(self):
        """Whether it needs no signature: it is for the API, or asks for what all may know."""
        if self.path == READY or POOL_KEYS.fullmatch(self.path):
            return self.method == "GET"
        if ANSWER.fullmatch(self.path):
            return self.method == "PUT" and not self.is_from_page() and not self.is_for_aws()
        return bool(API.match(self.path)) and not self.is_for_aws()

    def is_for_aws(self):
        """Whether it says anything that ministack would take for a call of AWS, or for its key."""
        return (
            self.headers.get("authorization", "").startswith("AWS")
            or any(name.startswith("x-amz-") for name in self.headers)
            or any(name.lower().startswith("x-amz-") or name == "AWSAccessKeyId" for name in self.query)
        )

    def is_from_page(self):
        return "origin" in self.headers or self.headers.get("sec-fetch-site", "none") != "none"

    def is_signed(self):
        return self.headers.get("authorization", "").startswith(ALGORITHM)


def signature_failure(request, body):
    """Why the signature is not that of a key of this stack, as one sentence, or None."""
    signature = sigv4.parse_header_signature(request.headers)
    if isinstance(signature, tuple):
        return signature[1]
    key = signature.access_key_id
    # ministack checks no more than the name of such a key.
    if key != KEY and iam_evaluator.is_root_access_key(key):
        return "The key is not this stack's."
    # The query could name another key, which ministack would then believe.
    if any(name.lower() in ("x-amz-credential", "awsaccesskeyid") for name in request.query):
        return "The request names two keys."
    account = (
        responses._account_from_sts_session(key)
        or iam_evaluator.find_iam_access_key_account(key)
        or responses.get_account_id()
    )
    token = request.headers.get("x-amz-security-token", "")
    credential = iam_evaluator.resolve_credential(key, account, token)
    if isinstance(credential, iam_evaluator.CredentialResolutionError):
        return credential.message
    failure = sigv4.request_time_failure(signature) or sigv4.header_signature_failure(
        signature, credential.secret_access_key, request.method, request.raw_path, request.query, request.headers, body
    )
    if failure:
        return failure[1]
    declared = request.headers.get("x-amz-content-sha256", "")
    if len(declared) == 64 and declared != hashlib.sha256(body).hexdigest():
        return "The body is not the one that was signed."
    return None


def joined(raw_headers):
    """The headers as they are signed: by lower-case name, those sent twice joined by a comma."""
    headers = {}
    for name, value in raw_headers:
        key, text = name.decode("latin-1").lower(), sigv4.decode_header_value(value)
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return headers


def guarded(inner):
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await inner(scope, receive, send)
            return
        if scope["type"] != "http":
            # The stack has no WebSocket.
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope)
        if not request.is_for_this_machine():
            await refuse(send, f"The gateway answers as 127.0.0.1:{PORT} and localhost:{PORT} only.")
        elif request.is_open():
            await inner(scope, receive, send)
        elif request.is_from_page():
            await refuse(send, "The gateway does not serve web pages.")
        elif not request.is_signed():
            await refuse(send, 'The request is not signed: eval "$(cargo aigen env)" gives a key.')
        elif (body := await read(receive)) is not None:
            if why := signature_failure(request, body):
                await refuse(send, why)
            else:
                await inner(scope, replay(body, receive), send)

    return app


async def read(receive):
    """The whole body, or None when the client is gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def replay(body, receive):
    """A `receive` that gives the body that was read, and then what comes."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def again():
        return messages.pop() if messages else await receive()

    return again


async def refuse(send, why):
    body = json.dumps({"__type": "AccessDeniedException", "message": why}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_sessions = threading.Lock()
# The role of each key that a function was given.
_roles = {}


def execution_credentials(config):
    """A function's credentials: those of its role. ministack's own can be computed by anybody from two ARNs."""
    account, _ = lambda_runtime._account_region_from_function_config(config)
    role, function = config.get("Role", ""), config.get("FunctionArn", "")

    def secret(what):
        return hmac.new(SECRET.encode(), f"{what}:{function}:{role}".encode(), hashlib.sha256).hexdigest()

    key, name = f"ASIA{secret('key')[:16].upper()}", config.get("FunctionName", "function")[:64]
    role_name = role.rsplit("/", 1)[-1]
    with _sessions:
        _roles[key] = role_name
        sts.register_session(key, {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role_name}/{name}",
            "UserId": f"{role_name}:{name}",
            "SecretAccessKey": secret("secret"),
            "SessionToken": secret("token"),
        })
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret("secret"),
        "AWS_SESSION_TOKEN": secret("token"),
    }


def as_aws_names_actions(extract):
    """ministack takes reading a function's reserved concurrency for changing it."""

    def action(service, method, path, *rest, **more):
        if service == "lambda" and method == "GET" and path.rstrip("/").endswith("/concurrency"):
            return "lambda:GetFunctionConcurrency"
        return extract(service, method, path, *rest, **more)

    return action


def as_aws_names_resources(extract):
    """ministack puts the default bus into the ARN of a rule, where AWS has none."""

    def resource(service, *rest, **more):
        arn = extract(service, *rest, **more)
        return arn.replace(":rule/default/", ":rule/") if service == "events" else arn

    return resource


def recorded(enforce):
    """Each call that a function makes, once, as a line of CALLS_FILE: tests/policy.rs compares them with the policies."""
    seen = set()

    def enforced(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
        denied = enforce(access_key_id, iam_action, service, region, resource_arn, service_context)
        role = _roles.get(access_key_id)
        call = (role, iam_action, resource_arn, denied is None)
        if role and os.path.getsize(CALLS) == 0:
            # Whoever has emptied it wants to hear of all anew.
            seen.clear()
        if role and call not in seen:
            seen.add(call)
            line = json.dumps(dict(zip(("role", "action", "resource", "allowed"), call)))
            with open(CALLS, "a", encoding="utf-8") as calls:
                calls.write(line + "\n")
        return denied

    return enforced


_updating = threading.local()
# Longer than any function may run.
_LONGEST_CALL = 910


def updating(update):
    """Marks what ministack does because a function gets other code or another configuration."""

    def updated(*args, **more):
        _updating.now = True
        try:
            return update(*args, **more)
        finally:
            _updating.now = False

    return updated


def when_idle(kill_workers):
    """On AWS, what runs goes on to its end when a function is updated. ministack would kill it in the middle."""

    def kill(workers):
        workers = [worker for worker in workers if worker is not None]
        busy = [worker for worker in workers if getattr(_updating, "now", False) and worker.in_use]
        kill_workers([worker for worker in workers if worker not in busy])
        if busy:
            threading.Thread(target=wait_and_kill, args=(busy,), daemon=True).start()

    def wait_and_kill(workers):
        deadline = time.monotonic() + _LONGEST_CALL
        while any(worker.in_use for worker in workers) and time.monotonic() < deadline:
            time.sleep(0.05)
        kill_workers(workers)

    return kill


if __name__ == "__main__":
    assert ministack.AUTH, "the gateway is started with AUTH=true"
    for module in (lambda_runtime, lambda_svc):
        assert callable(module.execution_credentials)
        module.execution_credentials = execution_credentials
    iam_actions.extract_iam_action = as_aws_names_actions(iam_actions.extract_iam_action)
    iam_actions.extract_resource_arn = as_aws_names_resources(iam_actions.extract_resource_arn)
    for name in ("_update_code", "_update_config"):
        setattr(lambda_svc, name, updating(getattr(lambda_svc, name)))
    lambda_runtime.kill_workers = when_idle(lambda_runtime.kill_workers)
    iam_evaluator.enforce = recorded(iam_evaluator.enforce)
    ministack.app = guarded(ministack.app)
    ministack.main()
