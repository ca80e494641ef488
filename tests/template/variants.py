"""Each way to deploy, as AWS would carry it out: `variants.py TEMPLATE FOLDER` checks it, and leaves it in FOLDER for the linters.

What is wrong is printed; then the exit code is 1. Copies of the template with a mistake prove that the checks see one."""

import copy
import json
import sys
from pathlib import Path

from resolve import Reader, read, references, resolve

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:database-AbCdEf"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
RDS = {"DatabaseHost": "db.example.com", "DatabaseOwnerSecretArn": SECRET}
IN_STEPS = [f"Canary10Percent{minutes}Minutes" for minutes in (5, 10, 15, 30)] + [
    "Linear10PercentEvery1Minute", *(f"Linear10PercentEvery{minutes}Minutes" for minutes in (2, 3, 10))
]

VARIANTS = {
    "rds": RDS,
    "unversioned": {**RDS, "Deployment": "Unversioned", "SavedQueries": "false", "AdminPasswordAuth": "true", "NamePrefix": ""},
    "adopting": {**RDS, "AdoptDatabase": "yes"},
    "given-secret": {"DatabaseSecretArn": SECRET, "DatabaseKmsKeyArn": KEY, "Dashboard": "false", "WorkerConcurrency": "20"},
    "both-secrets": {**RDS, "DatabaseSecretArn": SECRET, "SubnetIds": "subnet-00000001,subnet-00000002", "SecurityGroupIds": "sg-00000001"},
    "by-hand": {"DatabaseHost": "db.example.com", "DatabasePooling": "transaction"},
    "by-token": {**RDS, "DatabaseLogin": "iam", "DatabaseResourceId": "cluster-ABC"},
    "created": {"Database": "create", "AlarmEmail": "a@example.com"},
    "created-with-proxy": {"Database": "create", "DatabaseProxy": "create", "DatabaseKmsKeyArn": KEY},
    "created-by-token": {
        "Database": "create", "DatabaseLogin": "iam", "DatabaseProxy": "create", "Tracing": "true",
        "AvailabilityZones": "us-east-1a,us-east-1c",
    },
    "own-users": {**RDS, "JwtIssuer": "https://issuer.example.com", "JwtAudience": "app", "CorsAllowOrigins": "https://example.com"},
    "guarded-users": {**RDS, "MultiFactor": "ON", "ThreatProtection": "ENFORCED", "SelfSignUp": "true"},
    "own-domain": {**RDS, "DomainName": "api.example.com", "CertificateArn": CERTIFICATE, "HostedZoneId": "Z1"},
    # All that a careful reviewer may switch on: AWS's own rules are held against this one.
    "careful": {
        "Database": "create", "DatabaseLogin": "iam", "DatabaseProxy": "create", "Deployment": "Linear10PercentEvery3Minutes",
        "Tracing": "true", "AlarmEmail": "a@example.com", "LogRetentionDays": "365", "LogProtection": "true",
        "MultiFactor": "ON", "ThreatProtection": "ENFORCED",
        "DomainName": "api.example.com", "CertificateArn": CERTIFICATE, "HostedZoneId": "Z1",
    },
    **{each: {**RDS, "Deployment": each, "ApiProvisionedConcurrency": "2"} for each in IN_STEPS},
}

# What CloudFormation refuses before it makes anything, and the rule that says why.
REFUSED = [
    ({}, "DatabaseIsNamed"),
    ({"Database": "create", "DatabaseHost": "db.example.com"}, "DatabaseIsOne"),
    ({**RDS, "DatabaseLogin": "iam"}, "TokensHaveAPlace"),
    ({**RDS, "DatabaseProxy": "create"}, "ProxyIsOfOurDatabase"),
    ({**RDS, "JwtIssuer": "https://issuer.example.com"}, "IssuerIsWhole"),
    ({**RDS, "DomainName": "api.example.com"}, "DomainIsWhole"),
    ({**RDS, "SubnetIds": "subnet-00000001"}, "VpcIsWhole"),
    ({**RDS, "Deployment": "Unversioned", "ApiProvisionedConcurrency": "1"}, "ReadinessIsOfAVersion"),
]

LIVE = {"AsyncProcessingIntegration": "AsyncProcessingHandler", "RetryIntegration": "RetryHandler", "CancelIntegration": "CancelHandler"}
PUBLISHED = [*LIVE.values(), "AiGenerationWorker"]


def complaints(template, given):
    """What is wrong with a template that was resolved."""
    resources = template["Resources"]
    there = set(resources) | set(template["Parameters"])
    for section in ("Resources", "Outputs"):
        for name, item in template[section].items():
            for missing in {it for it in references(item) if "::" not in it} - there:
                yield f"{name} names {missing}, which is not made"
    yield from calls(resources, given.get("Deployment", "AllAtOnce"))


def of_type(resources, kind):
    return {name: it["Properties"] for name, it in resources.items() if it["Type"] == kind}


def calls(resources, deployment):
    """Whether what calls the functions may call what is live, and how that is replaced."""
    by_alias = deployment != "Unversioned"
    permissions = of_type(resources, "AWS::Lambda::Permission").values()
    for integration, function in LIVE.items():
        called = resources[integration]["Properties"]["IntegrationUri"]
        expected = {"Ref": f"{function}Aliaslive"} if by_alias else {"Fn::GetAtt": [function, "Arn"]}
        if called != expected:
            yield f"{integration} calls {called}"
        permitted = [it for it in permissions if it["FunctionName"] == ({"Ref": f"{function}Aliaslive"} if by_alias else {"Ref": function})]
        all_routes = of_type(resources, "AWS::ApiGatewayV2::Route").values()
        routes = [it["RouteKey"] for it in all_routes if f"${{{integration}}}" in str(it["Target"])]
        if len(permitted) != len(routes):
            yield f"{integration} has {len(routes)} routes, and {len(permitted)} permissions for what it calls"
    worker = {"Ref": "AiGenerationWorkerAliaslive"} if by_alias else {"Fn::GetAtt": ["AiGenerationWorker", "Arn"]}
    if resources["AIGenerationStateMachine"]["Properties"]["DefinitionSubstitutions"]["WorkerArn"] != worker:
        yield "the state machine calls another worker"
    statement = resources["AIGenerationStateMachineRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0]
    if worker not in statement["Resource"]:
        yield "the state machine may not call its worker"

    groups = of_type(resources, "AWS::CodeDeploy::DeploymentGroup")
    if set(groups) != ({f"{it}DeploymentGroup" for it in PUBLISHED} if deployment in IN_STEPS else set()):
        yield f"{deployment} makes {sorted(groups)}"
    for name, group in groups.items():
        alarms = [it["Name"] for it in group.get("AlarmConfiguration", {}).get("Alarms", [])]
        if alarms != [{"Ref": "ApiErrorsAlarm"}, {"Ref": "ErrorRateAlarm"}]:
            yield f"{name} is stopped by {alarms}"
        if "DEPLOYMENT_STOP_ON_ALARM" not in group["AutoRollbackConfiguration"]["Events"]:
            yield f"{name} is not taken back"
        if deployment not in str(group["DeploymentConfigName"]):
            yield f"{name} shifts by {group['DeploymentConfigName']}"
        if group["ServiceRoleArn"] != {"Fn::GetAtt": ["DeploymentRole", "Arn"]}:
            yield f"{name} has another role"
    for function in PUBLISHED:
        policy = resources[f"{function}Aliaslive"].get("UpdatePolicy")
        if (policy is not None) != (deployment in IN_STEPS):
            yield f"{function} is replaced by {policy}"


def broken(template):
    """Copies of the template with a mistake each, by what must be said of it."""

    def copy_with(change):
        wrong = copy.deepcopy(template)
        change(wrong["Resources"])
        return wrong

    def properties(name):
        return lambda resources: resources[name]["Properties"]

    yield "names AlarmTopic, which is not made", copy_with(
        lambda it: properties("ErrorRateAlarm")(it).update(AlarmActions=[{"Ref": "AlarmTopic"}]))
    yield "AsyncProcessingIntegration calls", copy_with(
        lambda it: properties("AsyncProcessingIntegration")(it).update(IntegrationUri={"Fn::GetAtt": ["AsyncProcessingHandler", "Arn"]}))
    yield "and 5 permissions for what it calls", copy_with(
        lambda it: properties("StatusPermission")(it).update(FunctionName={"Ref": "AsyncProcessingHandler"}))
    yield "the state machine may not call its worker", copy_with(
        lambda it: properties("AIGenerationStateMachineRole")(it)["Policies"][0]["PolicyDocument"]["Statement"][0]["Resource"].pop(0))
    yield "is stopped by []", copy_with(lambda it: properties("CancelHandler")(it)["DeploymentPreference"].pop("Alarms"))
    yield "RetryHandlerDeploymentGroup has another role", copy_with(
        lambda it: properties("RetryHandler")(it)["DeploymentPreference"].update(Role="arn:aws:iam::123456789012:role/x"))


def main(source, folder):
    template, wrong = read(source), []
    folder.mkdir(parents=True, exist_ok=True)
    for name, given in VARIANTS.items():
        rules = Reader(template, given).broken_rules()
        wrong += [f"{name}: the rule {rule} refuses it" for rule in rules]
        resolved = resolve(template, given)
        wrong += [f"{name}: {it}" for it in complaints(resolved, given)]
        # Those in steps differ by one word; the careful one is one of them.
        if name not in IN_STEPS:
            (folder / f"{name}.json").write_text(json.dumps(resolved, indent=1), encoding="utf-8")
    for given, rule in REFUSED:
        rules = Reader(template, given).broken_rules()
        if rules != {rule}:
            wrong.append(f"{given} is refused by {rules or 'no rule'}, and not by {rule}")
    given, seen = VARIANTS[IN_STEPS[0]], 0
    for expected, copied in broken(template):
        told = list(complaints(resolve(copied, given), given))
        seen += 1
        if not any(expected in it for it in told):
            wrong.append(f"a mistake is not seen: {expected} ({told})")
    print("\n".join(wrong) or f"{len(VARIANTS)} ways to deploy, {len(REFUSED)} refused, {seen} mistakes seen")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
