"""The deployment under test: on AWS, or on MiniStack, which `start_emulator` starts and `complete` completes."""

import json, os, socket, struct, subprocess, sys, time, tomllib, urllib.error, urllib.parse, urllib.request, uuid
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from samcli.yamlhelper import yaml_dump, yaml_parse

ON_AWS = "--aws" in sys.argv
BUILD = Path(next((word for word in sys.argv[1:] if not word.startswith("--")), ".aws-sam/build"))
SAMCONFIG = Path("samconfig.toml").resolve()
# The TTL of the authorizer caches in the examples.
CACHE_SECONDS = 20
# The passwords are `topsecret` and `letmein`.
ARGON2ID = "$argon2id$v=19$m=19456,t=2,p=1$"
USERS = [
    ("1", "my_username", ["ROLE_USER"], "mk1c+kPhFCZOrDzcVO/Sfw$MmrWQ+1GUwn/7+UL2zEzcBNynkHY/APeDuLh/jrviEg"),
    ("2", "admin", ["ROLE_USER", "ROLE_ADMIN"], "XHZyqiIEib8113rbGEwaZw$43a6V6J1x6HCa97f/53MbM+51Ja4JqMfNjgalqVELeM"),
    ("4", "ci-bot", ["ROLE_USER"], None),
]
EMULATOR = None


class Failed(Exception):
    """A check failed."""


def want(is_true, what):
    if not is_true:
        raise Failed(what)


def eventually(what, check, seconds=60):
    """Waits for background work of AWS."""
    end = time.monotonic() + seconds
    while True:
        last = check()
        if last:
            return last
        want(time.monotonic() < end, f"{what}: did not happen within {seconds} s")
        time.sleep(0.3)


class Response:
    def __init__(self, status, headers, body):
        self.status, self.body = status, body
        self.headers = {name.lower(): value for name, value in headers}

    def json(self):
        return json.loads(self.body)


class Api:
    """An API on AWS or on the emulator."""

    def __init__(self, outputs, stage=""):
        self.base = outputs["Url"]
        if EMULATOR:
            # Without a stage, use $default.
            self.base = f"{EMULATOR}/_aws/execute-api/{outputs['ApiId']}/{stage or '$default'}"

    def ask(self, method, path, authorization=None, body=None, form=None, status=200, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if authorization:
            headers["Authorization"] = authorization
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        if form is not None:
            data = urllib.parse.urlencode(form).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=40) as reply:
                response = Response(reply.status, reply.getheaders(), reply.read().decode())
        except urllib.error.HTTPError as error:
            response = Response(error.code, error.headers.items(), error.read().decode())
        if status is not None:
            want(response.status == status, f"{method} {path}: {response.status}, not {status}: {response.body[:300]}")
        return response


class Deployed:
    """The stack under test, and the examples deployed with it."""

    def __init__(self):
        self.name, self.stacks = f"hallpass-try-{uuid.uuid4().hex[:8]}", []
        cache = f"{CACHE_SECONDS}s"
        parameters = shipped_parameters() | {"Architecture": architecture(), "AppUser": "4", "KeyRefresh": "5s"}
        parameters["AuthorizerCacheTtl"] = cache
        if EMULATOR:
            services = ("Dynamodb", "Secrets", "S3", "Kms", "Events")
            parameters |= {f"{service}Endpoint": EMULATOR for service in services}
            parameters["ChallengeHeaders"] = "literal"
        template = known_to_emulator() if EMULATOR else BUILD / "template.yaml"
        self.template, self.parameters = template, parameters
        self.outputs = self.deploy(template, self.name, parameters)
        dynamodb = boto3.resource("dynamodb", endpoint_url=EMULATOR)
        self.users, self.tokens = (dynamodb.Table(self.outputs[name]) for name in ("UsersTable", "TokensTable"))
        for user_id, name, permissions, password in USERS:
            item = {"user_id": user_id, "username": name, "username_key": name, "status": "active"}
            item |= {"password_hash": ARGON2ID + password} if password else {"kind": "app"}
            self.users.put_item(Item=item | {"permissions": set(permissions)})

    @staticmethod
    def client(service):
        return boto3.client(service, endpoint_url=EMULATOR)

    def update(self, **parameters):
        """Deploys the stack again with other values of these parameters."""
        self.deploy(self.template, self.name, self.parameters | parameters)

    def deploy(self, template, name, parameters):
        if name not in self.stacks:
            self.stacks.append(name)
        began = time.monotonic()
        overrides = [f"{key}={value}" for key, value in parameters.items()]
        command = [os.environ["SAM"], "deploy", "--config-file", str(SAMCONFIG), "--template-file", str(template),
            "--stack-name", name, "--resolve-s3",
            "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
            "--parameter-overrides", *overrides]
        done = subprocess.run(command, capture_output=True, text=True)
        want(done.returncode == 0, f"sam deploy {template}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        print(f"   deployed {template} in {time.monotonic() - began:.0f} s")
        stack = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        if EMULATOR and "GatewayResponses" in template.read_text():
            complete(self, template, name, outputs["ApiId"], parameters)
        return outputs

    def hallpass(self, *words, stdin=""):
        """Runs the `hallpass` command for this stack."""
        endpoint = ["--endpoint", EMULATOR] if EMULATOR else []
        line = ["cargo", "run", "--quiet", "--", "--stack", self.name, *endpoint, *words]
        done = subprocess.run(line, input=f"{stdin}\n", capture_output=True, text=True)
        want(done.returncode == 0, f"hallpass {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def resource(self, logical_id, stack=None):
        formation = self.client("cloudformation")
        response = formation.describe_stack_resource(StackName=stack or self.name, LogicalResourceId=logical_id)
        return response["StackResourceDetail"]["PhysicalResourceId"]

    def policy(self, role):
        iam = self.client("iam")
        name = iam.list_role_policies(RoleName=role)["PolicyNames"][0]
        return name, iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]

    def put_policy(self, role, name, document):
        self.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    def remove(self):
        """Deletes the stacks, and the resources that they retain."""
        kept = [self.outputs[name] for name in ("UsersTable", "TokensTable")]
        formation = self.client("cloudformation")
        for name in reversed(self.stacks):
            formation.delete_stack(StackName=name)
            formation.get_waiter("stack_delete_complete").wait(StackName=name)
        for table in kept:
            self.client("dynamodb").delete_table(TableName=table)
        bucket = boto3.resource("s3", endpoint_url=EMULATOR).Bucket(self.outputs["AuditBucket"])
        bucket.Policy().delete()
        bucket.object_versions.delete()
        bucket.delete()
        # The shortest time that KMS allows. A key whose deletion is scheduled costs nothing.
        self.client("kms").schedule_key_deletion(KeyId=self.outputs["AuditKeyArn"], PendingWindowInDays=7)
        secret = self.outputs["KeyRingSecret"]
        self.client("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)


def complete(deployed, template, name, api_id, parameters, stage="v1"):
    """Adds what MiniStack leaves out: `ANY` methods and gateway responses of the API's OpenAPI document, and the TTL of the
    authorizer cache, for which it uses the default of the parameter."""
    gateway, resources = deployed.client("apigateway"), yaml_parse(template.read_text())["Resources"]
    paths = {resource["path"]: resource["id"] for resource in gateway.get_resources(restApiId=api_id, limit=500)["items"]}
    for function, resource in resources.items():
        is_function = resource["Type"] == "AWS::Serverless::Function"
        events = resource["Properties"].get("Events", {}).values() if is_function else []
        for event in (event["Properties"] for event in events if event["Properties"].get("Method") == "ANY"):
            of_method = {"restApiId": api_id, "resourceId": paths[event["Path"]], "httpMethod": "ANY"}
            known = deployed.client("lambda").get_function_configuration(FunctionName=deployed.resource(function, name))
            alias = ":live" if "AutoPublishAliasAllProperties" in resource["Properties"] else ""
            path = f"2015-03-31/functions/{known['FunctionArn']}{alias}/invocations"
            uri = f"arn:aws:apigateway:{gateway.meta.region_name}:lambda:path/{path}"
            gateway.put_method(authorizationType="NONE", **of_method)
            gateway.put_integration(type="AWS_PROXY", integrationHttpMethod="POST", uri=uri, **of_method)

    if "CacheSeconds" in parameters:
        for authorizer in gateway.get_authorizers(restApiId=api_id)["items"]:
            seconds = str(parameters["CacheSeconds"])
            change = {"op": "replace", "path": "/authorizerResultTtlInSeconds", "value": seconds}
            gateway.update_authorizer(restApiId=api_id, authorizerId=authorizer["id"], patchOperations=[change])

    conditions = {
        "ChallengesFromContext": parameters.get("ChallengeHeaders", "context") == "context",
        "ChallengesWithBasic": True,
        "AllowsOrigins": False,
    }

    def plain(value):
        """Returns the text of a header, or None if it has none."""
        if not isinstance(value, dict):
            return value
        (intrinsic, argument), = value.items()
        if intrinsic == "Ref":
            return None
        if intrinsic == "Fn::Sub":
            return argument.replace("${Realm}", "hallpass")
        condition, yes, no = argument
        return plain(yes if conditions[condition] else no)

    for kind, response in resources["Api"]["Properties"]["GatewayResponses"].items():
        headers = response["ResponseParameters"]["Headers"].items()
        headers = {f"gatewayresponse.header.{name}": plain(value) for name, value in headers if plain(value)}
        status = {"statusCode": str(response["StatusCode"])} if "StatusCode" in response else {}
        gateway.put_gateway_response(restApiId=api_id, responseType=kind, responseParameters=headers,
            responseTemplates=response["ResponseTemplates"], **status)
    gateway.create_deployment(restApiId=api_id, stageName=stage)


def shipped_parameters():
    """Returns the parameters of samconfig.toml, with which `sam deploy` without options deploys."""
    deploy = tomllib.loads(SAMCONFIG.read_text())["default"]["deploy"]["parameters"]
    return dict(one.split("=", 1) for one in deploy["parameter_overrides"])


def known_to_emulator():
    """Writes the template without what MiniStack does not support: alarms on several metrics, and the conditions of a policy
    of a bucket, whose denials it would apply to every request."""
    template = yaml_parse((BUILD / "template.yaml").read_text())
    resources = template["Resources"]
    alarms = [(name, one["Properties"]) for name, one in resources.items() if one["Type"] == "AWS::CloudWatch::Alarm"]
    unknown = [name for name, alarm in alarms if "Metrics" in alarm]
    for name in unknown:
        del resources[name]
    statements = resources["AuditLogPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    statements[:] = [one for one in statements if "Condition" not in one]
    print(f"   without {', '.join(unknown)}: MiniStack does not support metric math")
    path = BUILD / "template.emulator.yaml"
    path.write_text(yaml_dump(template))
    return path


def architecture():
    """Returns the processor of the built functions, from an ELF header."""
    header = (BUILD / "Generate" / "bootstrap").read_bytes()[:20]
    return {62: "x86_64", 183: "arm64"}[struct.unpack_from("<H", header, 18)[0]]


def start_emulator(folder):
    """Starts MiniStack with IAM enforced on a free port. The functions reach it by the same address."""
    global EMULATOR
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    EMULATOR = f"http://127.0.0.1:{port}"
    os.environ.update(AUTH="true", IOT_MTLS_ENABLED="0", GATEWAY_PORT=str(port), BIND_HOST="127.0.0.1", TMPDIR=folder,
        AWS_ENDPOINT_URL=EMULATOR, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1", AWS_REGION="us-east-1", DOCKER_HOST="unix:///nowhere")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
    with open(f"{folder}/log", "w") as log:
        process = subprocess.Popen([os.environ["MINISTACK"]], cwd=folder, stdout=log, stderr=subprocess.STDOUT)

    def is_up():
        want(process.poll() is None, f"MiniStack exited: {Path(folder, 'log').read_text()[-2000:]}")
        try:
            return boto3.client("sts", endpoint_url=EMULATOR).get_caller_identity()
        except (BotoCoreError, ClientError):
            return None

    eventually("MiniStack", is_up)
    return process
