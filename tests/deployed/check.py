"""What must be true of a deployment: the transcripts of the five systems, the examples with their authorizer caches, a
user's change through the stream into prune, the schedule, and that every permission is needed. `run` starts it."""

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


def refused(api, token, path="/api/user/1", reason=None):
    """401 with a challenge. What fills in the reason is missing in the emulator."""
    answer = api.ask("GET", path, bearer(token), status=401)
    challenge = answer.headers.get("www-authenticate", "")
    good = challenge.startswith('Bearer realm="hallpass"') and "invalid_token" in challenge
    want(good, f"the challenge is {challenge!r}")
    if reason and not stack.EMULATOR:
        want(answer.json()["reason"] == reason and "error_description" in challenge, answer.body)


# ---- The transcripts of the five systems ----------------------------------------------------------------------------


def drupal(api):
    answer = api.ask("POST", GENERATE, basic("my_username", "topsecret"))
    token = answer.json()["token"]
    want(re.fullmatch(r"1\.[0-9a-f]{8}\.[A-Za-z0-9_-]{43}", token), f"a token is {token[:11]}…")
    want(answer.headers["cache-control"] == "no-store", "a token may be kept by a cache")
    for authorization in [basic(token), bearer(token), f"Token {token}", token]:
        want(api.ask("GET", "/api/user/1", authorization).json()["name"] == "my_username", "another user")
    missing = api.ask("GET", "/api/user/1", status=401)
    want(missing.headers.get("www-authenticate") == 'Bearer realm="hallpass"', f"{missing.headers}")
    api.ask("GET", "/api/user/2", bearer(token), status=403)
    refused(api, token[:-1] + ("A" if token[-1] != "A" else "B"), reason="malformed")
    refused(api, "nonsense", reason="malformed")
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
    want("sunset" in begun.headers, "the legacy flow does not say when it ends")


def rarog(api):
    expiration = (datetime.now(timezone.utc) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    body = {"name": "Token name", "expiration": expiration, "authorities": ["ROLE_USER"]}
    create = "/rest/pat/1.0/token/user/create"
    made = api.ask("POST", create, basic("my_username", "topsecret"), body).json()
    holder = f"Token {made['value']}"
    listed = api.ask("GET", "/rest/pat/1.0/token", holder).json()
    want(made["id"] in [one["id"] for one in listed], "a named token is not in the list")
    app = "/rest/pat/1.0/token/app/create"
    api.ask("POST", app, holder, body, status=403)
    app_token = api.ask("POST", app, basic("admin", "letmein"), body).json()["value"]
    want(app_token.startswith("4."), "an app token is not the application's")
    other = api.ask("POST", create, basic("my_username", "topsecret"), body).json()
    api.ask("DELETE", f"/rest/pat/1.0/token/{other['id']}", bearer(token_of(api)), status=204)
    refused(api, other["value"], reason="revoked")


def hypothesis(api):
    token = token_of(api)
    remake = lambda: api.ask("POST", "/profile/developer", bearer(token), status=None, Accept="application/json")
    first = remake().json()["token"]
    want(first.startswith("6879-"), "a developer token has another beginning")
    api.ask("GET", "/api/user/1", bearer(first))
    second = remake().json()["token"]
    refused(api, first)
    api.ask("GET", "/api/user/1", bearer(second))


def vanilla(api):
    caller = token_of(api)
    made = api.ask("POST", "/tokens", bearer(caller), {"name": "a", "expires_in": 3600}, status=201).json()
    introspect = lambda: api.ask("POST", "/oauth/introspect", bearer(caller), form={"token": made["token"]}).json()
    want(introspect()["active"], "a new token is not active")
    api.ask("DELETE", f"/tokens/{made['id']}", bearer(caller), status=None)
    want(not introspect()["active"], "a revoked token is active")
    refused(api, made["token"], reason="revoked")
    short = api.ask("POST", "/tokens", bearer(caller), {"name": "b", "expires_in": 2}, status=201).json()["token"]
    eventually("an expired token", lambda: api.ask("GET", "/api/user/1", bearer(short), status=None).status == 401)
    refused(api, short, reason="expired")
    everything = api.ask("DELETE", "/users/1/tokens", bearer(token_of(api, "admin", "letmein")), status=None)
    want(everything.status in (200, 204), f"revoke-all: {everything.status}")
    refused(api, caller, reason="user_changed")


def ours(api):
    want(api.ask("GET", "/nowhere/at/all", status=404).headers["cache-control"] == "no-store", "a 404 may be kept")
    want("POST" in api.ask("PUT", "/tokens", status=405).headers["allow"], "405 does not say what the path takes")
    want(api.ask("GET", "/openapi.json").json()["openapi"].startswith("3.1"), "no OpenAPI 3.1")
    api.ask("GET", "/healthz")


# ---- What AWS does by itself ----------------------------------------------------------------------------------------


def records_of(deployed, user_id):
    """The user's tokens, without the sessions, flows and pointers that share the partition under keys with a `#`."""
    key = {"user_id": user_id}
    query = {"KeyConditionExpression": "user_id = :it", "ExpressionAttributeValues": {":it": key["user_id"]}}
    items = deployed.tokens.query(ConsistentRead=True, **query)["Items"]
    return [item for item in items if "#" not in item["token"]]


def user_stream(deployed, api):
    """A change of a user reaches prune through the stream, and changing back revives nothing."""
    token = token_of(api)
    rename = lambda name: deployed.users.update_item(
        Key={"user_id": "1"}, UpdateExpression="SET username = :it", ExpressionAttributeValues={":it": name})
    rename("renamed")
    refused(api, token, reason="user_changed")
    # One that expired before the change needs no mark.
    is_over = lambda record: "revoked_at" in record or int(record.get("expires_at", time.time())) < time.time()
    invalidated = lambda: all(is_over(record) for record in records_of(deployed, "1"))
    eventually("prune invalidates the tokens of a changed user", invalidated, 120)
    rename("my_username")
    refused(api, token, reason="user_changed")
    token_of(api)


def schedule(deployed, api):
    """The schedule forgets what TTL was slow to delete. It is hastened for this, and put back."""
    del api
    scheduler = deployed.client("scheduler")
    is_ours = lambda it: deployed.name in it["Target"]["Arn"] or deployed.name in it["Name"]
    named = [it for it in scheduler.list_schedules()["Schedules"] if is_ours(it)]
    want(len(named) == 1, f"schedules of the stack: {[it['Name'] for it in named]}")
    known = scheduler.get_schedule(Name=named[0]["Name"], GroupName=named[0].get("GroupName", "default"))
    want(known["ScheduleExpression"] == "rate(1 hour)", known["ScheduleExpression"])
    keep = ["Name", "GroupName", "FlexibleTimeWindow", "Target", "ScheduleExpression", "State", "Description"]
    known = {name: known[name] for name in keep if known.get(name)}
    item = {"user_id": "1", "token": "A" * 22, "purge_at": 1}
    deployed.tokens.put_item(Item=item)
    key = {"user_id": item["user_id"], "token": item["token"]}
    gone = lambda: "Item" not in deployed.tokens.get_item(Key=key, ConsistentRead=True)
    want(not gone(), "an item is gone before the sweep")
    scheduler.update_schedule(**{**known, "ScheduleExpression": "rate(1 minute)"})
    try:
        eventually("the sweep", gone, 200)
    finally:
        scheduler.update_schedule(**known)


def command(deployed, api):
    """The first administrator, and a new signing key that refuses nobody, both by the command as the guides have it."""
    password = "a password of the first administrator"
    deployed.hallpass("user", "add", "first", "--permission", "ROLE_ADMIN", stdin=password)
    old = token_of(api, "first", password)
    api.ask("GET", "/tokens?user_id=1", bearer(old))
    keys = len(deployed.hallpass("key", "list").splitlines())
    deployed.hallpass("key", "rotate")
    want(len(deployed.hallpass("key", "list").splitlines()) == keys + 1, "there is no new key")
    known = lambda: {it.get("key_id") for it in deployed.tokens.scan()["Items"]}
    before = known()

    def signs():
        api.ask("GET", "/rs/profile", bearer(old))
        token = token_of(api, "first", password)
        api.ask("GET", "/rs/profile", bearer(token))
        return known() - before

    eventually("the new key signs", signs, 90)
    api.ask("GET", "/rs/profile", bearer(old))


# ---- APIs of others -------------------------------------------------------------------------------------------------


def examples(deployed, api):
    """The two examples, without a cache and with one. A kept answer lets a revoked token in until its time is up."""
    arn = deployed.outputs["AuthorizerArn"]
    for example, stage, no in [("rest-api", "v1", 401), ("http-api", "", 403)]:
        for seconds in (0, CACHE_SECONDS):
            parameters = {"AuthorizerArn": arn, "CacheSeconds": seconds}
            if example == "rest-api" and stack.EMULATOR:
                parameters["ChallengeHeaders"] = "literal"
            name = f"{deployed.name}-{example}-{seconds}"
            theirs = Api(deployed.deploy(Path(f"examples/{example}.yaml"), name, parameters), stage)
            caller = token_of(api)
            token = api.ask("POST", "/tokens", bearer(caller), {"name": "a"}, status=201).json()
            hello = theirs.ask("GET", "/hello", bearer(token["token"])).json()
            want(hello == {"hello": "my_username", "user_id": "1", "scopes": ["ROLE_USER"]}, f"{example}: {hello}")
            theirs.ask("GET", "/hello", status=401)
            theirs.ask("GET", "/hello", bearer("nonsense"), status=no)
            asked = time.monotonic()
            api.ask("DELETE", f"/tokens/{token['id']}", bearer(caller), status=None)
            status = lambda: theirs.ask("GET", "/hello", bearer(token["token"]), status=None).status
            if seconds and time.monotonic() - asked < seconds / 2:
                kept = status()
                want(kept == 200, f"{example}: the answer was not kept, or is another one: {kept}")
            eventually(f"{example}: a revoked token is shut out", lambda: status() == no, seconds + 30)
            if seconds == 0 and example == "rest-api":
                refused(theirs, token["token"], "/hello", reason="revoked")


# ---- Permissions ----------------------------------------------------------------------------------------------------


def permissions(deployed, api):
    """A function fails without any one of these permissions, and works again with it."""
    token = token_of(api)
    admin = token_of(api, "admin", "letmein")
    made = lambda: api.ask("POST", "/tokens", bearer(admin), {"name": "of a permission"}, status=201).json()["id"]
    waiting = [made() for _ in range(4)]
    verify = lambda: api.ask("GET", "/api/user/1", bearer(token), status=None)
    generate = lambda: api.ask("POST", GENERATE, basic("my_username", "topsecret"), status=None)
    revoke = lambda: api.ask("DELETE", f"/tokens/{waiting.pop()}", bearer(admin), status=None)
    console = lambda: api.ask("GET", "/tokens", bearer(token), status=None)
    for function, statement, call in [
        ("VerifyAuthorizer", "ReadTheRecordAndTheUser", verify),
        ("Generate", "FindTheUserByName", generate),
        ("Generate", "CountAttempts", generate),
        ("Generate", "WriteTheRecord", generate),
        ("Revoke", "MarkRecords", revoke),
        ("Console", "ReadTokens", console),
    ]:
        role = deployed.resource(f"{function}Role")
        name, document = deployed.policy(role)
        less = [it for it in document["Statement"] if it["Sid"] != statement]
        want(len(less) + 1 == len(document["Statement"]), f"{function} has no statement {statement}")
        failing = lambda: call().status >= 500
        deployed.put_policy(role, name, {**document, "Statement": less})
        eventually(f"{function} fails without {statement}", failing, 90)
        deployed.put_policy(role, name, document)
        eventually(f"{function} works with {statement}", lambda: call().status < 300, 90)
        print(f"   {function} needs {statement}")


def starts(deployed, api):
    """A function without its table does not start, and says which."""
    del api
    functions = deployed.client("lambda")
    name = deployed.resource("VerifyAuthorizer")
    environment = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    set_to = lambda table: functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**environment, "HALLPASS_TOKENS_TABLE": table}})
    route = "arn:aws:execute-api:us-east-1:000000000000:a/v1/GET/"
    event = {"type": "TOKEN", "methodArn": route, "authorizationToken": "Bearer x"}
    is_up = lambda: "FunctionError" not in functions.invoke(FunctionName=name, Payload=json.dumps(event))
    want(is_up(), "the authorizer does not answer")
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


def is_wanted(check):
    only = [it.removeprefix("--only=") for it in sys.argv if it.startswith("--only=")]
    return not only or check.__name__ in only


def main():
    with tempfile.TemporaryDirectory() as folder:
        process = None if ON_AWS else stack.start_emulator(folder)
        deployed, status = None, 0
        try:
            deployed = Deployed()
            api = Api(deployed.outputs, "v1")
            for system in filter(is_wanted, (drupal, terminalfour, rarog, hypothesis, vanilla, ours)):
                system(api)
                print(f"   {system.__name__}")
            for check in filter(is_wanted, (command, user_stream, schedule, examples, permissions, starts)):
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
