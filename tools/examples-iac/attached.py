"""How an API attaches the authorizer: reads it from templates of CloudFormation and from Terraform, as a flat dictionary."""

import copy
import json
import re
import tempfile
from pathlib import Path

import tfparse
import yaml

AUTHORIZER = "arn:aws:lambda:us-east-1:123456789012:function:hallpass-VerifyAuthorizer-1:live"
AUTHORIZER_URI = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{AUTHORIZER}/invocations"
REALM = "a realm"
ORIGIN = "https://app.example.com"
CORS_HEADERS = ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers")
# A property or a list item with this value does not exist.
ABSENT = object()
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::NoValue": ABSENT,
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}


class Loader(yaml.SafeLoader):
    """Reads the short forms of CloudFormation's functions, such as !Sub."""


def short_form(loader, suffix, node):
    kind = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence,
            yaml.MappingNode: loader.construct_mapping}[type(node)]
    value = kind(node) if isinstance(node, yaml.ScalarNode) else kind(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", short_form)


def load(path):
    return yaml.load(Path(path).read_text(), Loader)


def resolve(value, known):
    """Replaces references and evaluates conditions. An unknown reference becomes its logical ID in angle brackets."""
    if isinstance(value, list):
        return [part for part in (resolve(part, known) for part in value) if part is not ABSENT]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (function, argument), = value.items()
        if function == "Ref":
            return known.get(argument, f"<{argument}>")
        if function == "Fn::GetAtt":
            return "<" + (argument if isinstance(argument, str) else ".".join(argument)) + ">"
        if function == "Fn::Sub":
            return re.sub(r"\$\{([^}]+)\}", lambda match: str(known.get(match[1], f"<{match[1]}>")), argument)
        if function == "Fn::Join":
            return argument[0].join(map(str, resolve(argument[1], known)))
        if function == "Fn::Equals":
            first, second = resolve(argument, known)
            return first == second
        if function == "Fn::Not":
            return not resolve(argument[0], known)
        if function == "Fn::If":
            condition, yes, no = argument
            return resolve(yes if known[condition] else no, known)
    parts = {name: resolve(part, known) for name, part in value.items()}
    return {name: part for name, part in parts.items() if part is not ABSENT}


def knowledge(template, **parameters):
    """Returns the values of parameters, the given ones or the default ones, and of conditions."""
    defaults = {name: one.get("Default") for name, one in template["Parameters"].items()}
    assert parameters.keys() <= defaults.keys(), f"the template must have the parameters {sorted(parameters)}"
    known = {**PSEUDO, **defaults, **parameters}
    return known | {name: resolve(condition, known) for name, condition in template["Conditions"].items()}


def of_type(template, kind):
    return {name: one for name, one in template["Resources"].items() if one["Type"] == kind}


def resolved(template, kind, known):
    return {name: resolve(one["Properties"], known) for name, one in of_type(template, kind).items()}


def only(found, what):
    """Returns the only one, or an empty one that differs from every expectation."""
    return found[0] if len(found) == 1 else {"count": f"{len(found)} of {what}"}


def responses(found):
    """Describes gateway responses: tuples of the type, the status or None, the headers by name, and the templates."""
    described = {}
    for kind, status, headers, templates in found:
        described[f"{kind} status"] = str(status or "of API Gateway")
        described |= {f"{kind} header {name}": value for name, value in headers.items()}
        described |= {f"{kind} body {name}": json.loads(text) for name, text in templates.items()}
    return described


def permission(found):
    """Describes the permission to invoke the authorizer, whose source is one authorizer or all authorizers of the API."""
    found = only([one for one in found if one["function"] == AUTHORIZER], "permissions to invoke the authorizer")
    return {f"permission {name}": re.sub(r"(/authorizers/)<authorizer>$", r"\1*", value) for name, value in found.items()}


def rest_api_expected(path, cors):
    """Describes the template of the example, in which SAM creates the authorizer."""
    template = load(path)
    option = {"CorsAllowed": "yes"} if cors else {}
    known = knowledge(template, AuthorizerArn=AUTHORIZER, Realm=REALM, **option) | {"Api": "<api>"}
    resources = resolve(template["Resources"], known)
    api = resources["Api"]["Properties"]
    authorizer = api["Auth"]["Authorizers"][api["Auth"]["DefaultAuthorizer"]]
    return {
        "authorizer type": authorizer["FunctionPayloadType"],
        "authorizer uri": AUTHORIZER_URI,
        "authorizer identity": ",".join(f"method.request.header.{name}" for name in authorizer["Identity"]["Headers"]),
        "authorizer cache": authorizer["Identity"]["ReauthorizeEvery"],
        **permission(permissions({"Resources": resources}, {})),
        **responses(
            (kind, one.get("StatusCode"), one["ResponseParameters"]["Headers"], one["ResponseTemplates"])
            for kind, one in api["GatewayResponses"].items()
        ),
        "unprotected": [],
        "not deployed": [],
    }


def permissions(template, known):
    return [
        {"function": one["FunctionName"], "action": one["Action"], "principal": one["Principal"], "source": one["SourceArn"]}
        for one in resolved(template, "AWS::Lambda::Permission", known).values()
    ]


def rest_api_of_cdk(template):
    names = {"AWS::ApiGateway::RestApi": "<api>", "AWS::ApiGateway::Authorizer": "<authorizer>"}
    known = PSEUDO | {name: names[one["Type"]] for name, one in template["Resources"].items() if one["Type"] in names}
    authorizers = resolved(template, "AWS::ApiGateway::Authorizer", known)
    authorizer = only(list(authorizers.values()), "authorizers")
    answers = resolved(template, "AWS::ApiGateway::GatewayResponse", known)
    methods = resolved(template, "AWS::ApiGateway::Method", known)
    deployment = only(list(of_type(template, "AWS::ApiGateway::Deployment").values()), "deployments")
    return {
        "authorizer type": authorizer.get("Type"),
        "authorizer uri": authorizer.get("AuthorizerUri"),
        "authorizer identity": authorizer.get("IdentitySource"),
        "authorizer cache": authorizer.get("AuthorizerResultTtlInSeconds"),
        **permission(permissions(template, known)),
        **responses(
            (one["ResponseType"], one.get("StatusCode"), header_names(one["ResponseParameters"]), one["ResponseTemplates"])
            for one in answers.values()
        ),
        "unprotected": [
            name for name, one in methods.items()
            if (one["AuthorizationType"], one.get("AuthorizerId")) != ("CUSTOM", "<authorizer>")
        ],
        # The stage gets what exists before its deployment.
        "not deployed": sorted({*authorizers, *answers, *methods} - set(deployment.get("DependsOn", []))),
    }


def header_names(parameters):
    return {name.removeprefix("gatewayresponse.header."): value for name, value in parameters.items()}


def http_api_expected(path, cors):
    template = load(path)
    option = {"CorsAllowedOrigin": ORIGIN} if cors else {}
    return http_api(template, knowledge(template, AuthorizerArn=AUTHORIZER, **option))


def http_api(template, known=None):
    names = {"AWS::ApiGatewayV2::Api": "<api>", "AWS::ApiGatewayV2::Authorizer": "<authorizer>"}
    ids = {name: names[one["Type"]] for name, one in template["Resources"].items() if one["Type"] in names}
    known = {**PSEUDO, **(known or {}), **ids}
    authorizer = only(list(resolved(template, "AWS::ApiGatewayV2::Authorizer", known).values()), "authorizers")
    api = only(list(resolved(template, "AWS::ApiGatewayV2::Api", known).values()), "APIs")
    routes = resolved(template, "AWS::ApiGatewayV2::Route", known)
    described = (
        "ApiId", "AuthorizerType", "AuthorizerPayloadFormatVersion", "EnableSimpleResponses", "AuthorizerUri",
        "IdentitySource", "AuthorizerResultTtlInSeconds",
    )
    return {
        **{f"authorizer {name}": authorizer.get(name) for name in described},
        "cors": api.get("CorsConfiguration"),
        **permission(permissions(template, known)),
        "unprotected": [
            name for name, one in routes.items()
            if (one["AuthorizationType"], one.get("AuthorizerId")) != ("CUSTOM", "<authorizer>")
        ],
    }


def rest_api_of_terraform(texts, cors):
    """Evaluates the configuration with the outputs of a stack in place of the data source, which tfparse cannot read."""
    option = "cors_allowed = true\n" if cors else ""
    outputs = {"AuthorizerArn": AUTHORIZER, "AuthorizerUri": AUTHORIZER_URI, "Realm": REALM}
    main = texts["main.tf"].replace("data.aws_cloudformation_stack.hallpass.outputs", json.dumps(outputs))
    main = main.replace(
        "${aws_api_gateway_rest_api.api.execution_arn}",
        "arn:aws:execute-api:us-east-1:123456789012:${aws_api_gateway_rest_api.api.id}",
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**texts, "main.tf": main}.items():
            (Path(folder) / name).write_text(text)
        (Path(folder) / "option.tfvars").write_text(option)
        evaluated = tfparse.load_from_path(folder, vars_paths=["option.tfvars"])
    api = only(evaluated.get("aws_api_gateway_rest_api", []), "APIs")
    authorizers = evaluated.get("aws_api_gateway_authorizer", [])
    authorizer = only(authorizers, "authorizers")
    known = {api.get("id"): "<api>", authorizer.get("id"): "<authorizer>"}

    def named(value):
        for uuid, name in known.items():
            value = value.replace(uuid, name) if isinstance(value, str) else value
        return value

    answers = evaluated.get("aws_api_gateway_gateway_response", [])
    methods = evaluated.get("aws_api_gateway_method", [])
    parts = [*authorizers, *answers, *methods]
    for kind in ("aws_api_gateway_resource", "aws_api_gateway_integration"):
        parts += evaluated.get(kind, [])
    deployment = only(evaluated.get("aws_api_gateway_deployment", []), "deployments")
    triggers = {reference["id"] for reference in deployment.get("__tfmeta", {}).get("references", [])}
    return {
        "authorizer type": authorizer.get("type"),
        "authorizer uri": authorizer.get("authorizer_uri"),
        "authorizer identity": authorizer.get("identity_source"),
        "authorizer cache": authorizer.get("authorizer_result_ttl_in_seconds"),
        **permission([
            {"function": ":".join(one[part] for part in ("function_name", "qualifier") if part in one),
             "action": one["action"], "principal": one["principal"], "source": named(one["source_arn"])}
            for one in evaluated.get("aws_lambda_permission", [])
        ]),
        **responses(
            (one["response_type"], one.get("status_code"), header_names(one["response_parameters"]), one["response_templates"])
            for one in answers
        ),
        "unprotected": [
            one["__tfmeta"]["path"] for one in methods
            if (one["authorization"], named(one.get("authorizer_id"))) != ("CUSTOM", "<authorizer>")
        ],
        "not deployed": sorted(one["__tfmeta"]["path"] for one in parts if one["id"] not in triggers),
    }


def differences(expected, found):
    return [
        f"{name} must be {json.dumps(expected.get(name))}, not {json.dumps(found.get(name))}"
        for name in sorted({*expected, *found})
        if expected.get(name) != found.get(name)
    ]


def faults_of_cdk(template, described):
    """Returns what is described for copies of the template, each with a fault."""
    def changed(kinds, change, response_type=None):
        copied = copy.deepcopy(template)
        for name, one in list(copied["Resources"].items()):
            if one["Type"] in kinds and response_type in (None, one["Properties"].get("ResponseType")):
                change(copied["Resources"], name, one["Properties"])
        return described(copied)

    def delete(resources, name, _):
        del resources[name]

    def put(**values):
        return lambda resources, name, properties: properties.update(values)

    def without(mapping, name):
        return {other: value for other, value in mapping.items() if other != name}

    version = "V2" if of_type(template, "AWS::ApiGatewayV2::Api") else ""
    authorizer = [f"AWS::ApiGateway{version}::Authorizer"]
    faults = [
        ("a cache", changed(authorizer, put(AuthorizerResultTtlInSeconds=300))),
        ("no identity source", changed(authorizer, put(IdentitySource=None))),
        ("no authorizer", changed(authorizer, delete)),
        ("no permission", changed(["AWS::Lambda::Permission"], delete)),
        ("a permission for every API", changed(["AWS::Lambda::Permission"], put(SourceArn="arn:aws:execute-api:*"))),
        ("an open route", changed(["AWS::ApiGateway::Method", "AWS::ApiGatewayV2::Route"], put(AuthorizationType="NONE"))),
    ]
    api = ["AWS::ApiGatewayV2::Api"]
    for one in of_type(template, *api).values():
        cors = one["Properties"].get("CorsConfiguration", {})
        faults.append(("CORS for every origin", changed(api, put(CorsConfiguration={**cors, "AllowOrigins": ["*"]}))))
        faults += [(f"CORS without {name}", changed(api, put(CorsConfiguration=without(cors, name)))) for name in cors]
    answer = ["AWS::ApiGateway::GatewayResponse"]
    for one in of_type(template, *answer).values():
        kind, headers = one["Properties"]["ResponseType"], one["Properties"]["ResponseParameters"]
        faults += [
            (f"no response {kind}", changed(answer, delete, kind)),
            (f"{kind} with another body", changed(answer, put(ResponseTemplates={"application/json": "{}"}), kind)),
            (f"{kind} with another status", changed(answer, put(StatusCode="403"), kind)),
        ]
        for name in headers:
            faults.append((f"{kind} without {name}", changed(answer, put(ResponseParameters=without(headers, name)), kind)))
        for name in CORS_HEADERS:
            other = {**headers, f"gatewayresponse.header.{name}": "'other'"}
            faults.append((f"{kind} with another {name}", changed(answer, put(ResponseParameters=other), kind)))
    return faults


def faults_of_terraform(texts, cors):
    """Returns what is described for copies of the configuration, each with a text replaced by another one."""
    replaced = [
        ("= var.cache_seconds", "= 300"),
        ('identity_source ', "identity "),
        ('= local.hallpass["AuthorizerUri"]', '= local.hallpass["AuthorizerArn"]'),
        ('= trimsuffix(local.hallpass["AuthorizerArn"], ":live")', '= "another"'),
        ('= "live"', '= "other"'),
        ("/authorizers/$", "/*/$"),
        ('= "CUSTOM"', '= "NONE"'),
        ('"gatewayresponse.header.X-WWW-Authenticate" = "context', '"gatewayresponse.header.X-Other" = "context'),
        ("$context.authorizer.reason", "$context.authorizer.detail"),
        ('Basic realm=', "Digest realm="),
        ('= "UNAUTHORIZED"', '= "INVALID_API_KEY"'),
        ('= "429"', '= "403"'),
        ('"gatewayresponse.header.Cache-Control" ', '"gatewayresponse.header.X-Other" '),
        ('"gatewayresponse.header.Retry-After" ', '"gatewayresponse.header.X-Other" '),
        ("      aws_api_gateway_authorizer.hallpass,\n", ""),
        ("var.cors_allowed ?", "!var.cors_allowed ?"),
    ]
    if cors:
        replaced += [(f'"gatewayresponse.header.{name}" ', '"gatewayresponse.header.X-Other" ') for name in CORS_HEADERS]
    else:
        replaced.append(("default     = false", "default     = true"))
    for block in re.findall(r'^resource "aws_api_gateway_gateway_response" .*?^}\n', texts["main.tf"], re.M | re.S):
        replaced += [(block, ""), (block, block.replace("local.headers", "{}"))]
        name = block.split('"')[3]
        replaced.append((f"      aws_api_gateway_gateway_response.{name},\n", ""))
    faults = []
    for old, new in replaced:
        assert any(old in text for text in texts.values()), f"no file has {old!r}"
        changed = {name: text.replace(old, new) for name, text in texts.items()}
        faults.append((f"{new!r} in place of {old!r}", rest_api_of_terraform(changed, cors)))
    return faults
