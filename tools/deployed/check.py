"""Tests a deployment: the transcripts of the five systems, the examples with their authorizer caches, the path of a user's
change through the stream to prune, and that of a token's to the audit log, the schedule, and that every permission is needed. `run` starts this program."""

import base64, json, re, sys, tempfile, time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import stack
from stack import CACHE_SECONDS, ON_AWS, Api, Deployed, Failed, eventually, want

GENERATE = "/api/services_token/generate"


def basic(name, password=""):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def bearer(token):
    return f"Bearer {token}"


def token_of(api, name="my_username", password="topsecret"):
    return api.ask("POST", GENERATE, basic(name, password)).json()["token"]


def rejected(api, token, path="/api/user/1", reason=None):
    """Checks for a 401 with a challenge, and on AWS for its reason, which the emulator does not fill in."""
    response = api.ask("GET", path, bearer(token), status=401)
    challenge = response.headers.get("www-authenticate", "")
    good = challenge.startswith('Bearer realm="hallpass"') and "invalid_token" in challenge
    want(good, f"the challenge is {challenge!r}")
    if reason and not stack.EMULATOR:
        want(response.json()["reason"] == reason and "error_description" in challenge, response.body)


# ---- The transcripts of the five systems ----------------------------------------------------------------------------


def drupal(api):
    response = api.ask("POST", GENERATE, basic("my_username", "topsecret"))
    token = response.json()["token"]
    want(re.fullmatch(r"1\.[0-9a-f]{8}\.[A-Za-z0-9_-]{43}", token), f"a token is {token[:11]}…")
    want(response.headers["cache-control"] == "no-store", "a cache can store a token")
    for authorization in [basic(token), bearer(token), f"Token {token}", token]:
        want(api.ask("GET", "/api/user/1", authorization).json()["name"] == "my_username", "another user")
    missing = api.ask("GET", "/api/user/1", status=401)
    both = 'Bearer realm="hallpass", Basic realm="hallpass", charset="UTF-8"'
    want(missing.headers.get("www-authenticate") == both, f"{missing.headers}")
    api.ask("GET", "/api/user/2", bearer(token), status=403)
    rejected(api, token[:-1] + ("A" if token[-1] != "A" else "B"), reason="malformed")
    rejected(api, "nonsense", reason="malformed")
    again = api.ask("POST", GENERATE, basic(token)).json()["token"]
    want(again != token, "the same token twice")
    api.ask("GET", "/api/user/1", basic(again))
    api.ask("POST", GENERATE, basic("my_username", "wrong"), status=401)
    api.ask("POST", GENERATE, status=401)


def terminalfour(api):
    jwt = api.ask("GET", "/rs/authorise", basic("my_username", "topsecret")).body.strip().strip('"')
    jwt = re.search(r"[\w-]+\.[\w-]+\.[\w-]+", jwt).group()
    want(api.ask("GET", "/rs/profile", bearer(jwt)).json()["username"] == "my_username", "another user")
    api.ask("GET", "/rs/profile", status=401)
    begin = "/rs/authorize-implicit?client_id=app&response_type=token"
    begun = api.ask("GET", begin, basic("my_username", "topsecret"))
    want("sunset" in begun.headers, "the legacy flow has no Sunset header")


def rarog(api):
    expiration = (datetime.now(timezone.utc) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    body = {"name": "Token name", "expiration": expiration, "authorities": ["ROLE_USER"]}
    create = "/rest/pat/1.0/token/user/create"
    created = api.ask("POST", create, basic("my_username", "topsecret"), body).json()
    holder = f"Token {created['value']}"
    listed = api.ask("GET", "/rest/pat/1.0/token", holder).json()
    want(created["id"] in [one["id"] for one in listed], "a named token is not in the list")
    app = "/rest/pat/1.0/token/app/create"
    api.ask("POST", app, holder, body, status=403)
    app_token = api.ask("POST", app, basic("admin", "letmein"), body).json()["value"]
    want(app_token.startswith("4."), "an app token is not the application's")
    other = api.ask("POST", create, basic("my_username", "topsecret"), body).json()
    api.ask("DELETE", f"/rest/pat/1.0/token/{other['id']}", bearer(token_of(api)), status=204)
    rejected(api, other["value"], reason="revoked")


def hypothesis(api):
    token = token_of(api)
    regenerate = lambda: api.ask("POST", "/profile/developer", bearer(token), status=None, Accept="application/json")
    first = regenerate().json()["token"]
    want(first.startswith("6879-"), "a developer token has another prefix")
    api.ask("GET", "/api/user/1", bearer(first))
    second = regenerate().json()["token"]
    rejected(api, first)
    api.ask("GET", "/api/user/1", bearer(second))


def vanilla(api):
    caller = token_of(api)
    created = api.ask("POST", "/tokens", bearer(caller), {"name": "a", "expires_in": 3600}, status=201).json()
    introspect = lambda: api.ask("POST", "/oauth/introspect", bearer(caller), form={"token": created["token"]}).json()
    want(introspect()["active"], "a new token is not active")
    api.ask("DELETE", f"/tokens/{created['id']}", bearer(caller), status=None)
    want(not introspect()["active"], "a revoked token is active")
    rejected(api, created["token"], reason="revoked")
    short = api.ask("POST", "/tokens", bearer(caller), {"name": "b", "expires_in": 2}, status=201).json()["token"]
    eventually("an expired token", lambda: api.ask("GET", "/api/user/1", bearer(short), status=None).status == 401)
    rejected(api, short, reason="expired")
    everything = api.ask("DELETE", "/users/1/tokens", bearer(token_of(api, "admin", "letmein")), status=None)
    want(everything.status in (200, 204), f"revoke-all: {everything.status}")
    rejected(api, caller, reason="user_changed")


def general(api):
    want(api.ask("GET", "/nowhere/at/all", status=404).headers["cache-control"] == "no-store", "a cache can store a 404")
    want("POST" in api.ask("PUT", "/tokens", status=405).headers["allow"], "a 405 does not list the methods of the path")
    want(api.ask("GET", "/openapi.json").json()["openapi"].startswith("3.1"), "no OpenAPI 3.1")
    api.ask("GET", "/healthz")


# ---- Background work of AWS ------------------------------------------------------------------------------------------


def records_of(deployed, user_id):
    """Returns the user's tokens, without the sessions, flows and pointers, whose keys in the partition have a `#`."""
    key = {"user_id": user_id}
    query = {"KeyConditionExpression": "user_id = :id", "ExpressionAttributeValues": {":id": key["user_id"]}}
    items = deployed.tokens.query(ConsistentRead=True, **query)["Items"]
    return [item for item in items if "#" not in item["token"]]


def user_stream(deployed, api):
    """A change of a user reaches prune through the stream, and undoing it does not make tokens valid again."""
    token = token_of(api)
    rename = lambda name: deployed.users.update_item(
        Key={"user_id": "1"}, UpdateExpression="SET username = :name", ExpressionAttributeValues={":name": name})
    rename("renamed")
    rejected(api, token, reason="user_changed")
    # A token that expired before the change is not marked.
    is_invalid = lambda record: "revoked_at" in record or int(record.get("expires_at", time.time())) < time.time()
    invalidated = lambda: all(is_invalid(record) for record in records_of(deployed, "1"))
    eventually("prune invalidates the tokens of a changed user", invalidated, 120)
    rename("my_username")
    rejected(api, token, reason="user_changed")
    token_of(api)


def audit(deployed, api):
    """Each change of a token is an object of the audit log."""
    caller = token_of(api)
    token = api.ask("POST", "/tokens", bearer(caller), {"name": "audited"}, status=201).json()
    api.ask("DELETE", f"/tokens/{token['id']}?reason=tried", bearer(caller), status=None)
    client, bucket = deployed.client("s3"), deployed.outputs["AuditBucket"]
    pages = client.get_paginator("list_objects_v2")

    def kinds():
        keys = [one["Key"] for page in pages.paginate(Bucket=bucket, Prefix="audit/") for one in page.get("Contents", [])]
        bodies = [client.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys]
        lines = [line for body in bodies for line in body.splitlines() if token["id"] in line]
        return {word for line in lines for word in ("token.issued", "token.revoked") if f'"{word}"' in line}

    eventually("the audit log has both changes", lambda: len(kinds()) == 2, 120)


def audit_lock(deployed, api):
    """S3 keeps what notify writes after Object Lock was turned on, also without the policy of the bucket. It is turned on by the
    API, because CloudFormation of MiniStack does not know it, and not on AWS, where the bucket would then outlive the trial."""
    if not stack.EMULATOR:
        return
    client, bucket = deployed.client("s3"), deployed.outputs["AuditBucket"]
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    client.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule})
    client.delete_bucket_policy(Bucket=bucket)
    token = api.ask("POST", "/tokens", bearer(token_of(api)), {"name": "locked"}, status=201).json()
    pages = client.get_paginator("list_objects_v2")

    def keys():
        every = [one["Key"] for page in pages.paginate(Bucket=bucket, Prefix="audit/") for one in page.get("Contents", [])]
        return [key for key in every if token["id"] in client.get_object(Bucket=bucket, Key=key)["Body"].read().decode()]

    eventually("the audit log has the token", keys, 120)
    for key in keys():
        retention = client.get_object_retention(Bucket=bucket, Key=key)["Retention"]
        kept = retention["RetainUntilDate"] - datetime.now(timezone.utc)
        want(retention["Mode"] == "COMPLIANCE" and timedelta(hours=23) < kept < timedelta(hours=25), f"{retention}")
        version = client.head_object(Bucket=bucket, Key=key)["VersionId"]
        try:
            client.delete_object(Bucket=bucket, Key=key, VersionId=version)
            raise Failed("a locked object was deleted")
        except client.exceptions.ClientError as error:
            want(error.response["Error"]["Code"] == "AccessDenied", str(error))


def schedule(deployed, api):
    """The scheduled run purges items that TTL has not deleted yet. The test shortens the interval and restores it."""
    del api
    scheduler = deployed.client("scheduler")
    prune = deployed.resource("Prune")
    is_of_stack = lambda one: f":{prune}" in one["Target"]["Arn"]
    named = [one for one in scheduler.list_schedules()["Schedules"] if is_of_stack(one)]
    want(len(named) == 1, f"schedules of prune: {[one['Name'] for one in named]}")
    known = scheduler.get_schedule(Name=named[0]["Name"], GroupName=named[0].get("GroupName", "default"))
    want(known["ScheduleExpression"] == "rate(1 hour)", known["ScheduleExpression"])
    keep = ["Name", "GroupName", "FlexibleTimeWindow", "Target", "ScheduleExpression", "State", "Description"]
    known = {name: known[name] for name in keep if known.get(name)}
    item = {"user_id": "1", "token": "A" * 22, "purge_at": 1}
    deployed.tokens.put_item(Item=item)
    key = {"user_id": item["user_id"], "token": item["token"]}
    gone = lambda: "Item" not in deployed.tokens.get_item(Key=key, ConsistentRead=True)
    want(not gone(), "an item is deleted before the sweep")
    scheduler.update_schedule(**{**known, "ScheduleExpression": "rate(1 minute)"})
    try:
        eventually("the sweep", gone, 200)
    finally:
        scheduler.update_schedule(**known)


def command(deployed, api):
    """Adds the first administrator and a new signing key with the command, as in the guides; no token is rejected for it."""
    password = "a password of the first administrator"
    deployed.hallpass("user", "add", "first", "--permission", "ROLE_ADMIN", stdin=password)
    old = token_of(api, "first", password)
    api.ask("GET", "/tokens?user_id=1", bearer(old))
    keys = len(deployed.hallpass("key", "list").splitlines())
    deployed.hallpass("key", "rotate")
    want(len(deployed.hallpass("key", "list").splitlines()) == keys + 1, "the new key is not listed")
    known = lambda: {item.get("key_id") for item in deployed.tokens.scan()["Items"]}
    before = known()

    def signs():
        api.ask("GET", "/rs/profile", bearer(old))
        token = token_of(api, "first", password)
        api.ask("GET", "/rs/profile", bearer(token))
        return known() - before

    eventually("the new key signs", signs, 90)
    api.ask("GET", "/rs/profile", bearer(old))


# ---- Example APIs ---------------------------------------------------------------------------------------------------


def examples(deployed, api):
    """The two examples, without a cache and with one. A cached response accepts a revoked token until it expires."""
    arn = deployed.outputs["AuthorizerArn"]
    for example, stage, rejection in [("rest-api", "v1", 401), ("http-api", "", 403)]:
        for seconds in (0, CACHE_SECONDS):
            parameters = {"AuthorizerArn": arn, "CacheSeconds": seconds}
            # The emulator accepts headers from the authorizer's context, the default, and sends none of them.
            if example == "rest-api" and stack.EMULATOR and seconds == 0:
                parameters["ChallengeHeaders"] = "literal"
            name = f"{deployed.name}-{example}-{seconds}"
            example_api = Api(deployed.deploy(Path(f"examples/{example}.yaml"), name, parameters), stage)
            caller = token_of(api)
            token = api.ask("POST", "/tokens", bearer(caller), {"name": "a"}, status=201).json()
            response = example_api.ask("GET", "/hello", bearer(token["token"]))
            hello, expires = response.json(), response.headers.get("hallpass-token-expires")
            want(hello == {"hello": "my_username", "user_id": "1", "scopes": ["ROLE_USER"]}, f"{example}: {hello}")
            want(expires == token.get("expires_at"), f"{example}: the token expires at {expires}")
            example_api.ask("GET", "/hello", status=401)
            example_api.ask("GET", "/hello", bearer("nonsense"), status=rejection)
            revoked_at = time.monotonic()
            api.ask("DELETE", f"/tokens/{token['id']}", bearer(caller), status=None)
            status = lambda: example_api.ask("GET", "/hello", bearer(token["token"]), status=None).status
            if seconds and time.monotonic() - revoked_at < seconds / 2:
                cached = status()
                want(cached == 200, f"{example}: the response was not cached, or is wrong: {cached}")
            eventually(f"{example}: a revoked token is rejected", lambda: status() == rejection, seconds + 30)
            if seconds == 0 and example == "rest-api":
                rejected(example_api, token["token"], "/hello", reason="revoked")


# ---- Permissions ----------------------------------------------------------------------------------------------------


def permissions(deployed, api):
    """A function fails without any one of these permissions, and works again with it."""
    token = token_of(api)
    admin = token_of(api, "admin", "letmein")
    create = lambda: api.ask("POST", "/tokens", bearer(admin), {"name": "of a permission"}, status=201).json()["id"]
    verify = lambda: api.ask("GET", "/api/user/1", bearer(token), status=None)
    generate = lambda: api.ask("POST", GENERATE, basic("my_username", "topsecret"), status=None)
    revoke = lambda: api.ask("DELETE", f"/tokens/{create()}", bearer(admin), status=None)
    console = lambda: api.ask("GET", "/tokens", bearer(token), status=None)
    for function, statements, call in [
        ("VerifyAuthorizer", ["ReadTheRecordAndTheUser"], verify),
        ("Generate", ["FindTheUserByName"], generate),
        ("Generate", ["CountAttempts"], generate),
        # The emulator knows neither dynamodb:Attributes nor dynamodb:LeadingKeys, which tell the two apart on AWS.
        ("Generate", ["WriteTheRecord", "KeepNamesUnique"], generate),
        ("Revoke", ["MarkRecords", "LeaveTheMarkOfAChange"], revoke),
        ("Console", ["ReadTokens"], console),
    ]:
        role = deployed.resource(f"{function}Role")
        name, document = deployed.policy(role)
        statement = " and ".join(statements)
        less = [one for one in document["Statement"] if one["Sid"] not in statements]
        want(len(less) + len(statements) == len(document["Statement"]), f"{function} has no statement {statement}")
        failing = lambda: call().status >= 500
        deployed.put_policy(role, name, {**document, "Statement": less})
        eventually(f"{function} fails without {statement}", failing, 90)
        deployed.put_policy(role, name, document)
        eventually(f"{function} works with {statement}", lambda: call().status < 300, 90)
        print(f"   {function} needs {statement}")


def starts(deployed, api):
    """A function without its table does not start, and logs which table is missing."""
    del api
    functions = deployed.client("lambda")
    name = deployed.resource("VerifyAuthorizer")
    environment = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    set_to = lambda table: functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**environment, "HALLPASS_TOKENS_TABLE": table}})
    route = "arn:aws:execute-api:us-east-1:000000000000:a/v1/GET/"
    event = {"type": "TOKEN", "methodArn": route, "authorizationToken": "Bearer x"}
    is_up = lambda: "FunctionError" not in functions.invoke(FunctionName=name, Payload=json.dumps(event))
    want(is_up(), "the authorizer does not respond")
    set_to("nowhere")
    try:
        eventually("the authorizer stops without its table", lambda: not is_up(), 90)
        logs = deployed.client("logs")
        group = deployed.resource("VerifyAuthorizerLog")
        lines = lambda: json.dumps(logs.filter_log_events(logGroupName=group)["events"])
        if not stack.EMULATOR:
            eventually("the log names the table", lambda: "HALLPASS_TOKENS_TABLE: " in lines(), 90)
    finally:
        set_to(environment["HALLPASS_TOKENS_TABLE"])
    eventually("the authorizer is back", is_up, 90)


def settings(deployed, api):
    """Another value of a parameter publishes a new version of every function, and callers get it."""
    functions = deployed.client("lambda")
    names = deployed.outputs["Functions"].split()
    live = lambda: {name: functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"] for name in names}
    before = live()
    deployed.update(Prefix="tried")
    after = live()
    want(not [name for name in names if before[name] == after[name]], f"the versions were {before} and are {after}")
    want(token_of(api).startswith("tried"), "callers get the function with the old value")


def is_wanted(check):
    only = [word.removeprefix("--only=") for word in sys.argv if word.startswith("--only=")]
    return not only or check.__name__ in only


def main():
    with tempfile.TemporaryDirectory() as folder:
        process = None if ON_AWS else stack.start_emulator(folder)
        deployed, status = None, 0
        try:
            deployed = Deployed()
            api = Api(deployed.outputs, "v1")
            for system in filter(is_wanted, (drupal, terminalfour, rarog, hypothesis, vanilla, general)):
                system(api)
                print(f"   {system.__name__}")
            for check in filter(is_wanted, (command, user_stream, audit, audit_lock, schedule, examples, permissions, starts, settings)):
                began = time.monotonic()
                check(deployed, api)
                print(f"   {check.__name__}: {time.monotonic() - began:.0f} s")
        except Failed as failed:
            print(f"failed: {failed}")
            status = 1
        finally:
            if ON_AWS and deployed and "--keep" not in sys.argv:
                deployed.remove()
            if process:
                if status:
                    print(Path(folder, "log").read_text()[-3000:])
                process.terminate()
                process.wait()
        return status


sys.exit(main())
