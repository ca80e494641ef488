//! The template, the functions and the published document say the same: routes, codes, headers,
//! limits.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::collections::BTreeSet;
use std::path::Path;

use shared::{
    chart::ChartType,
    http::{COUNT_LIMIT, Route},
    lambda::{CANCEL_LIMIT_PER_MINUTE, Metric, NAMESPACE, RATE_LIMIT_PER_MINUTE},
    process::{ErrorCode, Priority, Status, request_batch::BATCH_SIZE},
};
use yaml_rust2::{Yaml, YamlLoader};

fn document() -> Yaml {
    YamlLoader::load_from_str(include_str!("../infra/openapi.yaml")).unwrap().remove(0)
}

/// The template language's short forms read as their arguments: `!Ref X` is `X`, `!Sub "x"` is `x`.
fn template() -> Yaml {
    YamlLoader::load_from_str(include_str!("../infra/template.yaml")).unwrap().remove(0)
}

fn text(yaml: &Yaml) -> &str {
    yaml.as_str().unwrap_or_else(|| panic!("not a text: {yaml:?}"))
}

fn texts(yaml: &Yaml) -> Vec<&str> {
    yaml.as_vec().unwrap_or_else(|| panic!("not a list: {yaml:?}")).iter().map(text).collect()
}

/// Properties of the resources of one type.
fn resources<'a>(template: &'a Yaml, kind: &'a str) -> impl Iterator<Item = &'a Yaml> {
    let resources = template["Resources"].as_hash().unwrap();
    resources
        .iter()
        .filter(move |(_, resource)| resource["Type"].as_str() == Some(kind))
        .map(|(_, resource)| &resource["Properties"])
}

/// The deployed name of the function behind `Target: integrations/${…}`.
fn function_behind<'a>(template: &'a Yaml, target: &str) -> &'a str {
    let integration = target.strip_prefix("integrations/${").unwrap().strip_suffix('}').unwrap();
    let uri = &template["Resources"][integration]["Properties"]["IntegrationUri"];
    function_name(template, called(uri, ".Arn"))
}

/// The function that is called by its alias, or as it is where it has no versions.
fn called<'a>(choice: &'a Yaml, as_it_is: &str) -> &'a str {
    let [condition, by_alias, function] = texts(choice)[..] else { panic!("{choice:?}") };
    let name = by_alias.strip_suffix(".Alias").unwrap();
    assert_eq!((condition, function), ("ByAlias", format!("{name}{as_it_is}").as_str()));
    name
}

fn function_name<'a>(template: &'a Yaml, resource: &str) -> &'a str {
    text(&template["Resources"][resource]["Properties"]["FunctionName"])
        .strip_prefix("${NamePrefix}")
        .unwrap()
}

fn handled() -> BTreeSet<(String, String)> {
    Route::ALL
        .iter()
        .map(|route| (format!("{} {}", route.method(), route.path()), route.function().to_owned()))
        .collect()
}

#[test]
fn the_gateway_has_exactly_the_routes_that_the_functions_handle() {
    let template = template();
    let mut deployed = BTreeSet::new();
    for route in resources(&template, "AWS::ApiGatewayV2::Route") {
        let key = text(&route["RouteKey"]);
        let function = function_behind(&template, text(&route["Target"]));
        if key == "OPTIONS /{proxy+}" {
            continue;
        }
        assert_eq!(text(&route["AuthorizationType"]), "JWT", "{key}");
        if key == "$default" {
            assert_eq!(function, "async-processing-handler");
        } else {
            assert!(deployed.insert((key.to_owned(), function.to_owned())), "{key} is there twice");
        }
    }
    assert_eq!(deployed, handled());
}

#[test]
fn the_gateway_may_call_each_function_for_its_routes() {
    let template = template();
    let permitted: BTreeSet<(String, String)> = resources(&template, "AWS::Lambda::Permission")
        .filter_map(|permission| {
            let source = text(&permission["SourceArn"]).split_once("${HttpApi}/*/")?.1;
            Some((
                source.to_owned(),
                function_name(&template, called(&permission["FunctionName"], "")).to_owned(),
            ))
        })
        .collect();
    for route in Route::ALL {
        let path = route.path().replace("{processId}", "*").replace("{batchId}", "*");
        let source = format!("{}{path}", route.method());
        assert!(
            permitted.contains(&(source.clone(), route.function().to_owned())),
            "{source} is not in {permitted:?}"
        );
    }
    assert!(permitted.contains(&("$default".to_owned(), "async-processing-handler".to_owned())));
}

#[test]
fn the_document_describes_exactly_the_routes_that_the_functions_handle() {
    let document = document();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_hash().unwrap() {
        for (method, _) in item.as_hash().unwrap() {
            described.insert(format!("{} {}", text(method).to_uppercase(), text(path)));
        }
    }
    assert_eq!(described, handled().into_iter().map(|(key, _)| key).collect());
}

#[test]
fn the_document_names_exactly_the_codes_statuses_and_types_that_there_are() {
    let document = document();
    let schema = |name: &str| {
        texts(&document["components"]["schemas"][name]["enum"])
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        schema("ErrorCode"),
        ErrorCode::ALL.iter().map(ToString::to_string).collect::<Vec<_>>()
    );
    assert_eq!(schema("Priority"), Priority::NAMES);
    assert_eq!(schema("Status"), Status::ALL.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(
        schema("ProcessType"),
        ChartType::ALL.iter().map(ToString::to_string).collect::<Vec<_>>()
    );
    // Each code is said to have the HTTP status that it has.
    let said = text(&document["components"]["schemas"]["ErrorCode"]["description"])
        .split(". ")
        .next()
        .unwrap()
        .to_owned();
    let mut status = 0;
    let mut checked = 0;
    for word in said.split([' ', ',', ';', '\n', ':', '(', ')']).filter(|word| !word.is_empty()) {
        if let Ok(number) = word.parse::<u16>() {
            // In brackets stand the statuses that VALIDATION_ERROR has besides.
            status = if [405, 413, 415].contains(&number) || (number == 404 && checked == 1) {
                status
            } else {
                number
            };
        } else if let Ok(code) = word.parse::<ErrorCode>() {
            assert_eq!(code.http_status(), status, "{code}");
            checked += 1;
        }
    }
    assert!(checked > 15, "only {checked} codes were read");
}

#[test]
fn every_post_answer_is_said_to_tell_the_rate_limit() {
    let document = document();
    for route in Route::ALL.iter().filter(|route| route.method() == "POST") {
        for (status, response) in
            document["paths"][route.path()]["post"]["responses"].as_hash().unwrap()
        {
            let status = text(status);
            // Where the database or the token is bad, nobody can tell.
            if matches!(status, "401" | "500" | "503") {
                continue;
            }
            let response = match response["$ref"].as_str() {
                Some(reference) => {
                    &document["components"]["responses"][reference.rsplit('/').next().unwrap()]
                }
                None => response,
            };
            for header in ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"] {
                assert!(
                    !response["headers"][header].is_badvalue(),
                    "{} {status} {header}",
                    route.path()
                );
            }
        }
    }
}

#[test]
fn a_browser_may_send_and_see_every_header_of_the_document() {
    let (template, document) = (template(), document());
    let cors = &template["Resources"]["HttpApi"]["Properties"]["CorsConfiguration"][1];
    let lower =
        |names: Vec<&str>| names.into_iter().map(str::to_lowercase).collect::<BTreeSet<_>>();
    let (allowed, exposed) =
        (lower(texts(&cors["AllowHeaders"])), lower(texts(&cors["ExposeHeaders"])));
    let named = |text: &str| {
        // Every name of a parameter that is a header, and every header of an answer.
        let mut names = BTreeSet::new();
        collect(&document, text, &mut names);
        names
    };
    assert!(
        named("request").is_subset(&allowed),
        "{:?} is not within {allowed:?}",
        named("request")
    );
    assert!(
        named("response").is_subset(&exposed),
        "{:?} is not within {exposed:?}",
        named("response")
    );
    assert!(allowed.contains("authorization") && allowed.contains("content-type"));
}

fn collect(yaml: &Yaml, kind: &str, names: &mut BTreeSet<String>) {
    match yaml {
        Yaml::Hash(hash) => {
            if kind == "request" && yaml["in"].as_str() == Some("header") {
                names.insert(text(&yaml["name"]).to_lowercase());
            }
            for (key, value) in hash {
                if kind == "response"
                    && key.as_str() == Some("headers")
                    && !yaml["description"].is_badvalue()
                {
                    names.extend(
                        value.as_hash().unwrap().keys().map(|name| text(name).to_lowercase()),
                    );
                }
                collect(value, kind, names);
            }
        }
        Yaml::Array(items) => items.iter().for_each(|item| collect(item, kind, names)),
        _ => {}
    }
}

#[test]
fn the_limits_are_the_same_everywhere() {
    let (template, document) = (template(), document());
    assert_eq!(
        template["Parameters"]["RateLimitPerMinute"]["Default"].as_i64(),
        Some(RATE_LIMIT_PER_MINUTE.into())
    );
    let pagination =
        &document["components"]["schemas"]["History"]["properties"]["pagination"]["properties"];
    assert_eq!(pagination["totalCount"]["maximum"].as_i64(), Some(COUNT_LIMIT.into()));
    let requests = &document["components"]["schemas"]["BatchRequest"]["properties"]["requests"];
    let size = |name: &str| usize::try_from(requests[name].as_i64().unwrap()).unwrap();
    assert_eq!(size("minItems")..=size("maxItems"), BATCH_SIZE);
    assert_eq!(
        template["Parameters"]["CancelLimitPerMinute"]["Default"].as_i64(),
        Some(CANCEL_LIMIT_PER_MINUTE.into())
    );
    for (function, variable, parameter) in [
        ("AsyncProcessingHandler", "RATE_LIMIT_PER_MINUTE", "RateLimitPerMinute"),
        ("RetryHandler", "RATE_LIMIT_PER_MINUTE", "RateLimitPerMinute"),
        ("CancelHandler", "CANCEL_LIMIT_PER_MINUTE", "CancelLimitPerMinute"),
    ] {
        let variables = &template["Resources"][function]["Properties"]["Environment"]["Variables"];
        assert_eq!(text(&variables[variable]), parameter, "{function}");
    }
    let description = text(&document["info"]["description"]);
    for limit in [
        format!("{RATE_LIMIT_PER_MINUTE} requests a minute"),
        format!("{CANCEL_LIMIT_PER_MINUTE} a minute"),
    ] {
        assert!(description.contains(&limit), "{limit}");
    }
}

/// A comma in an unquoted text of a flow mapping ends the text there: what follows it reads as a
/// key without a value.
#[test]
fn no_text_of_the_document_is_cut_by_a_comma() {
    fn keys_without_value(yaml: &Yaml, path: &str, found: &mut Vec<String>) {
        match yaml {
            Yaml::Hash(hash) => {
                for (key, value) in hash {
                    let path = format!("{path}/{}", key.as_str().unwrap_or("(no text)"));
                    if value.is_null() || key.as_str().is_none() {
                        found.push(path.clone());
                    }
                    keys_without_value(value, &path, found);
                }
            }
            Yaml::Array(items) => {
                for item in items {
                    keys_without_value(item, path, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    keys_without_value(&document(), "", &mut found);
    assert_eq!(found, Vec::<String>::new());
    let cut =
        YamlLoader::load_from_str("{ type: integer, description: From 1, 0 before. }").unwrap();
    keys_without_value(&cut[0], "", &mut found);
    assert_eq!(found.len(), 1, "the check sees nothing: {found:?}");
}

#[test]
fn each_type_of_request_has_a_schema_that_its_type_chooses() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let request = &schemas["GenerateRequest"];
    assert_eq!(text(&request["discriminator"]["propertyName"]), "type");
    let mapping = request["discriminator"]["mapping"].as_hash().unwrap();
    let chosen: Vec<&str> = mapping.keys().map(text).collect();
    assert_eq!(chosen, ChartType::NAMES);
    let listed = request["oneOf"].as_vec().unwrap();
    assert_eq!(listed.len(), mapping.len());
    for ((name, reference), member) in mapping.iter().zip(listed) {
        assert_eq!(text(reference), text(&member["$ref"]));
        let schema = &schemas[text(reference).rsplit('/').next().unwrap()];
        assert_eq!(schema["properties"]["type"]["const"], *name);
        assert_eq!(texts(&schema["required"]), ["type", "params"]);
    }
}

/// The names of our metrics.
fn metrics() -> BTreeSet<&'static str> {
    Metric::ALL.iter().map(|metric| metric.as_str()).collect()
}

#[test]
fn every_alarm_is_on_a_metric_that_there_is_and_says_its_trouble_and_what_comes_next() {
    let template = template();
    let alarms: Vec<_> = resources(&template, "AWS::CloudWatch::Alarm").collect();
    assert!(alarms.len() > 10, "{}", alarms.len());
    for alarm in &alarms {
        let (name, metric) = (text(&alarm["AlarmName"]), text(&alarm["MetricName"]));
        let is_ours = text(&alarm["Namespace"]) == NAMESPACE;
        assert!(!is_ours || metrics().contains(metric), "{name}: {metric}");
        let dimension = text(&alarm["Dimensions"][0]["Name"]);
        assert!(!is_ours || dimension == "Stack", "{name}: {dimension}");
        let told = text(&alarm["AlarmDescription"]);
        let numbers = told.split([' ', ',', ':']).filter_map(|word| word.parse::<u8>().ok());
        assert!(told.starts_with("Trouble"), "{name}: {told}");
        assert!(numbers.clone().next().is_some_and(|it| (1..=50).contains(&it)), "{name}: {told}");
        assert!(told.contains("Next: aigen "), "{name}: {told}");
        assert!(!alarm["AlarmActions"].is_badvalue(), "{name} tells nobody");
        let missing = text(&alarm["TreatMissingData"]);
        let silence = name.ends_with("sweep is silent");
        assert_eq!(missing, if silence { "breaching" } else { "notBreaching" }, "{name}");
    }
}

/// A statement, or the two of which a condition chooses one: `!If` is a list.
fn either(statement: &Yaml) -> Vec<&Yaml> {
    match statement {
        Yaml::Array(parts) => parts[1..].iter().filter(|part| part.as_str().is_none()).collect(),
        statement => vec![statement],
    }
}

/// The statements of a role, with whether the whole policy stands under a condition.
fn statements(role: &Yaml) -> Vec<(bool, &Yaml)> {
    let mut found = Vec::new();
    for policy in role["Policies"].as_vec().unwrap() {
        // `!If` is a list: the condition, the policy, and nothing.
        let (is_conditional, policy) =
            policy.as_vec().map_or((false, policy), |parts| (true, &parts[1]));
        let statements = policy["PolicyDocument"]["Statement"].as_vec().unwrap();
        let statements = statements.iter().flat_map(either);
        found.extend(statements.map(|statement| (is_conditional, statement)));
    }
    found
}

/// A right to everything is one that AWS knows no resource for, and networks and traces are asked
/// for only where there are any.
#[test]
fn a_role_names_what_it_may_use_and_has_nothing_outside_a_vpc_that_is_for_one() {
    let template = template();
    let roles: Vec<_> = resources(&template, "AWS::IAM::Role").collect();
    assert_eq!(roles.len(), 10, "seven functions, the state machine, the proxy and CodeDeploy");
    for (is_conditional, statement) in roles.iter().flat_map(|role| statements(role)) {
        let sid = text(&statement["Sid"]);
        let resource = &statement["Resource"];
        let is_all = resource.as_str() == Some("*");
        let knows_no_resource = ["KeepNetworkInterfaces", "NotFromWithin", "SendTraces"];
        let is_aws_s = ["DeliverLogs", "LookAtAlarms"].contains(&sid);
        assert!(!is_all || is_aws_s || knows_no_resource.contains(&sid), "{sid}");
        let is_optional = sid == "ReadEncryptedSecret" || knows_no_resource.contains(&sid);
        assert_eq!(is_conditional, is_optional, "{sid}");
        let all: Vec<_> = match &statement["Action"] {
            Yaml::Array(_) => texts(&statement["Action"]),
            one => vec![text(one)],
        };
        assert!(all.iter().all(|action| !action.contains('*')), "{sid}: {all:?}");
        assert!(is_conditional || all.iter().all(|it| !it.starts_with("ec2:")), "{sid}");
    }
    let functions = resources(&template, "AWS::Serverless::Function");
    assert!(functions.into_iter().all(|function| !function["Role"].is_badvalue()));
}

/// By a token each function logs in as its own role of the database and as nobody else, and reads
/// no secret; by a password it reads its own secret.
#[test]
fn a_function_logs_in_to_the_database_as_one_role_by_token_or_by_secret() {
    let template = template();
    let mut users = Vec::new();
    for (name, role) in template["Resources"].as_hash().unwrap() {
        let name = text(name);
        let is_functions = role["Type"].as_str() == Some("AWS::IAM::Role")
            && !["AIGenerationStateMachineRole", "DatabaseProxyRole", "DeploymentRole"]
                .contains(&name);
        if !is_functions || name == "MigratorRole" {
            continue;
        }
        let own = &role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
        let logs_in = own.as_vec().unwrap().iter().filter_map(Yaml::as_vec).collect::<Vec<_>>();
        let [choice] = logs_in.as_slice() else { panic!("{name}: {logs_in:?}") };
        let [condition, token, secret] = choice.as_slice() else { panic!("{name}") };
        assert_eq!(text(condition), "ByToken", "{name}");
        assert_eq!(text(&token["Action"]), "rds-db:connect", "{name}");
        assert_eq!(text(&secret["Action"]), "secretsmanager:GetSecretValue", "{name}");
        let resource = text(&token["Resource"][0]);
        assert!(!resource.contains('*'), "{name}: {resource}");
        users.push(resource.rsplit_once("/${DatabaseUser}").unwrap().1);
        let others = statements(&role["Properties"]).into_iter().filter(|(_, statement)| {
            let actions = format!("{:?}", statement["Action"]);
            actions.contains("secretsmanager:") || actions.contains("rds-db:")
        });
        assert_eq!(others.count(), 2, "{name}");
    }
    assert_eq!(users, ["", "", "", "", "_reconciler", "_diagnostics"]);
}

/// SAM publishes a version for another code or another template, and not for another value of a
/// parameter: the digest of these does. A value that is missing there would be deployed, and used
/// by nobody.
#[test]
fn a_version_is_published_for_whatever_its_function_is_configured_by() {
    let template = template();
    let configuration = &template["Resources"]["Configuration"]["Properties"];
    let all = &template["Globals"]["Function"];
    for (value, is) in [
        (&configuration["Shared"], &all["Environment"]["Variables"]),
        (&configuration["Architectures"], &all["Architectures"]),
        (&configuration["Tracing"], &all["Tracing"]),
        (&configuration["Vpc"], &all["VpcConfig"]),
    ] {
        assert!(!is.is_badvalue() && value == is, "{value:?} is not {is:?}");
    }
    let mut published = BTreeSet::new();
    for (name, function) in template["Resources"].as_hash().unwrap() {
        let properties = &function["Properties"];
        if properties["AutoPublishAlias"].is_badvalue() {
            continue;
        }
        let name = text(name);
        assert_eq!(text(&properties["AutoPublishAlias"]), "live", "{name}");
        assert_eq!(text(&properties["VersionDescription"]), "Configuration.Digest", "{name}");
        // Lambda publishes nothing where nothing of the function has changed.
        let description = text(&properties["Description"]);
        assert!(description.contains("${Configuration.Digest}"), "{name}: {description}");
        let own = &properties["Environment"]["Variables"];
        assert!(configuration.as_hash().unwrap().values().any(|it| it == own), "{name}");
        published.insert(name);
    }
    let expected =
        ["AiGenerationWorker", "AsyncProcessingHandler", "CancelHandler", "RetryHandler"];
    assert_eq!(published.into_iter().collect::<Vec<_>>(), expected);
}

/// The worker is called by its alias, and without it by what began before there was one.
#[test]
fn the_state_machine_calls_the_worker_that_is_live() {
    let template = template();
    let resources = &template["Resources"];
    let machine = &resources["AIGenerationStateMachine"]["Properties"];
    assert_eq!(
        called(&machine["DefinitionSubstitutions"]["WorkerArn"], ".Arn"),
        "AiGenerationWorker"
    );
    let role = &resources["AIGenerationStateMachineRole"]["Properties"];
    let (_, statement) = statements(role)[0];
    let [by_alias, as_it_is, reconciler] = &statement["Resource"].as_vec().unwrap()[..] else {
        panic!("{statement:?}")
    };
    assert_eq!(texts(by_alias), ["ByAlias", "AiGenerationWorker.Alias", "AWS::NoValue"]);
    assert_eq!([text(as_it_is), text(reconciler)], ["AiGenerationWorker.Arn", "Reconciler.Arn"]);
}

/// Else a deployment would not run it, and its functions meet a schema that they do not know.
#[test]
fn a_deployment_runs_the_migrations_whenever_there_is_a_new_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/migrations");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let newest = names.filter(|name| name.starts_with("20")).max().unwrap();
    let template = template();
    let migrations = resources(&template, "Custom::Migrations").next().unwrap();
    assert_eq!(text(&migrations["Newest"]), newest.split('_').next().unwrap());
    // The role of a secret that is given is somebody's: its password is never made here.
    let functions = resources(&template, "AWS::Serverless::Function");
    let variables = functions.map(|function| &function["Environment"]["Variables"]);
    let roles: Vec<_> =
        variables.map(|it| &it["FUNCTIONS_ROLE"]).filter(|it| !it.is_badvalue()).collect();
    assert_eq!(roles.len(), 1);
    assert_eq!(texts(roles[0]), ["MakesRoles", "made", "given"]);
    // Every function that knows the schema waits for them.
    let all = template["Resources"].as_hash().unwrap().iter();
    let functions = all.filter(|(_, it)| text(&it["Type"]) == "AWS::Serverless::Function");
    for (name, function) in functions.filter(|(name, _)| text(name) != "Migrator") {
        assert_eq!(function["DependsOn"].as_str(), Some("Migrations"), "{}", text(name));
    }
}

#[test]
fn the_dashboard_shows_metrics_that_there_are_and_every_alarm() {
    let template = template();
    let dashboard = resources(&template, "AWS::CloudWatch::Dashboard").next().unwrap();
    let body: serde_json::Value =
        serde_json::from_str(text(&dashboard["DashboardBody"][0])).unwrap();
    let (mut shown, mut alarms) = (BTreeSet::new(), 0);
    for widget in body["widgets"].as_array().unwrap() {
        let properties = &widget["properties"];
        for metric in properties["metrics"].as_array().into_iter().flatten() {
            if metric[0] == NAMESPACE {
                let name = metric[1].as_str().unwrap();
                assert!(metrics().contains(name), "{name}");
                assert_eq!(metric[2], "Stack", "{name}");
                shown.insert(name);
            }
        }
        alarms += properties["alarms"].as_array().map_or(0, Vec::len);
    }
    assert_eq!(alarms, resources(&template, "AWS::CloudWatch::Alarm").count());
    let not_shown: Vec<_> = metrics().into_iter().filter(|name| !shown.contains(name)).collect();
    assert_eq!(not_shown, [] as [&str; 0]);
}
