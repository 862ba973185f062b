"""Checks that the workflow of `examples/github-actions` and its roles agree, and trust no more than they must."""

import re

import yaml

from attached import Loader

# SAM creates resources of these services for the events of functions.
SERVICES_OF_SAM = {"apigateway", "lambda", "scheduler"}

# What the role must name for resources of a type, of whose service it has actions for other types too.
NAMED_FOR = {
    "AWS::ApiGateway::DomainName": "::/domainnames",
    "AWS::ApiGateway::BasePathMapping": "::/domainnames/*",
    "AWS::IAM::ManagedPolicy": ":policy/${StackName}-*",
    "AWS::IAM::Role": ":role/${StackName}-*",
    # CloudFormation names a bucket after its resource, in small letters.
    "AWS::S3::Bucket": ":s3:::${StackName}-auditlog-*",
    "AWS::WAFv2::WebACLAssociation": "::/restapis/*/stages/*",
}

# Texts of the workflow or of its role, and others in their place, with which a check must fail.
REPLACED = [
    ("--no-confirm-changeset", "--confirm-changeset"),
    ("--no-fail-on-empty-changeset", "--fail-on-empty-changeset"),
    ("    environment: production", "    environment: staging"),
    ("      contents: read", "      id-token: write"),
    ("actions/checkout@df4cb1c069e1874edd31b4311f1884172cec0e10", "actions/checkout@v6"),
    ("role-to-assume: ${{ vars.HALLPASS_DEPLOY_ROLE }}", "aws-access-key-id: ${{ secrets.KEY }}"),
    ("vars.HALLPASS_ARTIFACTS", "vars.HALLPASS_BUCKET"),
    (":environment:${Environment}", ":*"),
    ("StringEquals:\n                token", "StringLike:\n                token"),
    ("token.actions.githubusercontent.com:aud: sts.amazonaws.com", "aws:SecureTransport: true"),
    ('"[A-Za-z0-9][A-Za-z0-9-]*(@[0-9]+)?/', '".*/'),
    ("secretsmanager:", "ssm:"),
    ("wafv2:", "waf:"),
    ("/restapis/*/stages/*", "/restapis/*/resources/*"),
    ("::/domainnames/*", "::/vpclinks/*"),
    (":policy/${StackName}-*", ":policy/Hallpass-*"),
    (":s3:::${StackName}-auditlog-*", ":s3:::${StackName}-*"),
    ("kms:KeySpec", "kms:KeyOrigin"),
    ("ECC_NIST_P256", "SYMMETRIC_DEFAULT"),
]


def introduced_faults(workflow, role, template):
    """Returns the replacements that no check finds."""
    for old, new in REPLACED:
        assert old in workflow + role, f"neither deploy.yml nor role.yaml has {old!r}"
        if not faults(workflow.replace(old, new), role.replace(old, new), template):
            yield f"no check finds {new!r} in place of {old!r}"


def faults(workflow, role, template):
    jobs, role = yaml.safe_load(workflow)["jobs"], yaml.load(role, Loader)
    return [*of_jobs(jobs), *of_trust(jobs, role), *of_variables(workflow, role), *of_execution(role, template),
        *of_keys(role, template)]


def of_jobs(jobs):
    """A job that compiles gets no token of GitHub's OIDC, every action is pinned by its commit, and no question is asked."""
    deploys = [name for name, job in jobs.items() if job["permissions"].get("id-token") == "write"]
    if deploys != ["deploy"]:
        yield f"deploy.yml: the job deploy alone must have id-token: write, not {deploys}"
    for name, job in jobs.items():
        for step in job["steps"]:
            if "uses" in step and not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", step["uses"]):
                yield f"deploy.yml: {step['uses']} must be pinned by its commit"
            if name in deploys and re.search(r"sam build|cargo|checkout", str(step)):
                yield f"deploy.yml: the job {name} must run nothing of the repository"
    steps = jobs["deploy"]["steps"]
    commands = "\n".join(step.get("run", "") for step in steps)
    for option in ("--no-confirm-changeset", "--no-fail-on-empty-changeset", "--capabilities CAPABILITY_IAM", "--role-arn"):
        if option not in commands:
            yield f"deploy.yml: `sam deploy` must have {option}"
    assumed = [step["with"] for step in steps if "configure-aws-credentials" in step.get("uses", "")]
    if [sorted(one) for one in assumed] != [["aws-region", "role-to-assume"]]:
        yield f"deploy.yml: the credentials must come from role-to-assume alone, not from {assumed}"


def of_trust(jobs, role):
    """The trust policy names the audience and the whole subject, and the environment is that of the job."""
    trusted, environment = role["Parameters"]["Environment"]["Default"], jobs["deploy"]["environment"]
    if environment != trusted:
        yield f"deploy.yml: the environment must be {trusted}, which role.yaml trusts, not {environment}"
    statements = role["Resources"]["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    expected = {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": {"Fn::Sub": "repo:${Repository}:environment:${Environment}"},
        }
    }
    for statement in statements:
        if statement["Action"] != "sts:AssumeRoleWithWebIdentity" or statement["Condition"] != expected:
            yield f"role.yaml: DeployRole must trust one subject and one audience, not {statement}"
    for name in ("Repository", "Environment"):
        pattern = role["Parameters"][name]["AllowedPattern"]
        for text in ("*", "*/hallpass", "octo-org/*", "octo-org/hall?ass", "octo-org/hallpass:ref"):
            if re.fullmatch(pattern, text):
                yield f"role.yaml: {name} must not accept {text}"
    for text in ("octo-org/hallpass", "octo-org@123456/hallpass@456789"):
        if not re.fullmatch(role["Parameters"]["Repository"]["AllowedPattern"], text):
            yield f"role.yaml: Repository must accept {text}"


def of_variables(workflow, role):
    """Each variable of the workflow is an output of the role's template, which says so."""
    used = set(re.findall(r"vars\.(\w+)", workflow))
    outputs = " ".join(output["Description"] for output in role["Outputs"].values())
    named = set(re.findall(r"variable ([A-Z_]+)", outputs))
    if used != named:
        yield f"deploy.yml: it uses the variables {sorted(used)}, and role.yaml outputs {sorted(named)}"


def of_execution(role, template):
    """The role of CloudFormation has actions of every service, and names every type, that the stack has resources of."""
    statements = role["Resources"]["ExecutionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    allowed = {action.split(":")[0] for one in statements if one["Effect"] == "Allow" for action in one["Action"]}
    types = {resource["Type"] for resource in yaml.load(template, Loader)["Resources"].values()}
    kinds = {kind.split("::")[1] for kind in types} - {"Serverless"}
    for service in sorted({kind.lower() for kind in kinds} | SERVICES_OF_SAM):
        if service not in allowed:
            yield f"role.yaml: ExecutionRole has no action of {service}, of which template.yaml has resources"
    named = [str(one) for statement in statements if statement["Effect"] == "Allow" for one in statement["Resource"]]
    for kind in sorted(types & NAMED_FOR.keys()):
        if not any(f"{NAMED_FOR[kind]}'" in one for one in named):
            yield f"role.yaml: ExecutionRole must name {NAMED_FOR[kind]} for {kind}"


def of_keys(role, template):
    """The role of CloudFormation creates and changes no keys but those of the kind that the stack has."""
    statements = role["Resources"]["ExecutionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    resources = yaml.load(template, Loader)["Resources"].values()
    key, = (resource["Properties"] for resource in resources if resource["Type"] == "AWS::KMS::Key")
    kind = {f"kms:{name}": key[name] for name in ("KeySpec", "KeyUsage")}
    for statement in statements:
        is_of_keys = any(action.startswith("kms:") for action in statement["Action"])
        if is_of_keys and kind not in statement.get("Condition", {}).values():
            yield f"role.yaml: {statement['Sid']} must be for keys with {kind}"
