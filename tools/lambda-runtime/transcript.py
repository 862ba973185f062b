"""A sequence of complete real events for every function, and the expected responses.

The events are templates in tests/fixtures/, and the responses are in tools/lambda-runtime/expected/. The caller provides the
way to invoke a function: the Runtime Interface Emulator or `sam local invoke`.
"""

import base64
import copy
import datetime
import difflib
import hashlib
import json
import pathlib
import re
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parents[1] / "tests" / "fixtures"
FORMS = ["rest_token", "rest_request", "http_1_0", "http_2_0", "websocket_connect"]
FORM = "application/x-www-form-urlencoded"


class Transcript:
    """Plays the steps. `invoke(function, event)` returns the response, and `aws` is the emulator of aws.py. `rejected` are
    the forms of authorizer events with which rejections are tested; all forms are tested with a valid token."""

    def __init__(self, invoke, aws, accept=False, rejected=FORMS):
        self.invoke, self.aws, self.accept, self.rejected = invoke, aws, accept, rejected
        self.tokens = {}
        self.passed, self.failed = 0, []

    def play(self):
        self.generates_tokens()
        self.verifies_tokens()
        self.shows_tokens_and_users()
        self.revokes_tokens()
        self.invalidates_and_purges()

    def generates_tokens(self):
        generate = {"method": "POST", "route": "/api/services_token/generate"}
        password = basic("my_username", "topsecret")
        first = self.step("generate_rest", "Generate", "rest_proxy", authorization=password, **generate)
        self.keep("first", first)
        renew = basic(self.tokens["first"], "")
        self.keep("second", self.step("generate_http", "Generate", "http_proxy", authorization=renew, **generate))
        self.step("generate_wrong", "Generate", "rest_proxy", authorization=basic("my_username", "no"), **generate)
        admin = basic("admin", "letmein")
        self.keep("admin", self.step("generate_admin", "Generate", "http_proxy", authorization=admin, **generate))

    def verifies_tokens(self):
        good = self.tokens["first"]
        forged = good[:-2] + ("AA" if good[-2:] != "AA" else "BA")
        for form in FORMS:
            self.step(f"authorizer_{form}_good", "VerifyAuthorizer", form, authorization=f"Bearer {good}")
        for form in self.rejected:
            self.step(f"authorizer_{form}_forged", "VerifyAuthorizer", form, authorization=f"Bearer {forged}")
            self.step(f"authorizer_{form}_none", "VerifyAuthorizer", form, authorization=None)

    def shows_tokens_and_users(self):
        bearer = f"Bearer {self.tokens['first']}"
        self.step("console_list_rest", "Console", "rest_proxy", method="GET", route="/tokens", authorization=bearer)
        current = {"method": "GET", "route": "/tokens/{id}", "id": "current"}
        self.step("console_current_http", "Console", "http_proxy", authorization=bearer, **current)
        user = {"method": "GET", "route": "/api/user/{id}", "id": "1", "authorization": bearer}
        context = {"user_id": "1", "name": "my_username", "scopes": '["ROLE_USER"]', "principalId": "1"}
        self.step("console_user_rest", "Console", "rest_proxy", authorizer=context, **user)
        self.step("console_user_http", "Console", "http_proxy", authorizer=context, **user)
        self.step("console_user_unauthorized", "Console", "rest_proxy", **user)
        self.step("console_nothing", "Console", "rest_proxy", method="GET", route="/{proxy+}", authorization=None)

    def revokes_tokens(self):
        by_text = {"method": "POST", "route": "/oauth/revoke", "content_type": FORM}
        body = f"token={self.tokens['second']}"
        self.step("revoke_by_text_http", "Revoke", "http_proxy", authorization=None, body=body, **by_text)
        bearer = f"Bearer {self.tokens['first']}"
        current = {"method": "DELETE", "route": "/tokens/{id}", "id": "current", "authorization": bearer}
        self.step("revoke_current_rest", "Revoke", "rest_proxy", **current)
        self.step("revoke_again_rest", "Revoke", "rest_proxy", **current)
        for form in self.rejected:
            self.step(f"authorizer_{form}_revoked", "VerifyAuthorizer", form, authorization=bearer)

    def invalidates_and_purges(self):
        """The administrator is blocked and unblocked before prune processes the block: the token stays invalid."""
        active = self.aws.dynamodb("GetItem", {"TableName": "Users", "Key": {"user_id": {"S": "2"}}})["Item"]
        blocked = copy.deepcopy(active) | {"status": {"S": "blocked"}}
        images = {"active": active, "blocked": blocked, "now": int(time.time())}
        self.step("prune_stream", "Prune", "user_stream", **images)
        bearer = f"Bearer {self.tokens['admin']}"
        self.step("authorizer_after_prune", "VerifyAuthorizer", "rest_request", authorization=bearer)
        self.step("prune_stream_unreadable", "Prune", "user_stream", **images | {"now": "letmein"})
        self.step("prune_schedule", "Prune", "schedule")

    def step(self, name, function, fixture, **values):
        response = self.invoke(function, event(fixture, **values))
        self.check(name, self.normal(response))
        return response

    def keep(self, name, response):
        token = json.loads(response.get("body") or "{}").get("token", "")
        self.tokens[name] = token if token.count(".") == 2 else sys.exit(f"the other steps need a token, got: {response}")

    def check(self, name, response):
        """Compares a response with the expected one, or records it as the expected one."""
        path = HERE / "expected" / f"{name}.json"
        text = json.dumps(response, indent=2, ensure_ascii=False) + "\n"
        if self.accept:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        expected = path.read_text() if path.exists() else ""
        if text == expected:
            self.passed += 1
            return
        self.failed.append(name)
        print(f"-- {name}: the response differs from {path.name}")
        print("".join(difflib.unified_diff(expected.splitlines(True), text.splitlines(True), "expected", "response")))

    def normal(self, response):
        """Replaces what differs between runs: tokens, their IDs and expiries, times, and the order of a list."""
        if isinstance(response, dict) and isinstance(response.get("body"), str) and response["body"].startswith("{"):
            response = response | {"body": json.loads(response["body"])}
        text = json.dumps(response, ensure_ascii=False)
        for name, token in self.tokens.items():
            user_id, end, signature = token.split(".")
            secret = base64.urlsafe_b64decode(signature + "=")[:16]
            public = base64.urlsafe_b64encode(hashlib.sha256(secret).digest()[:16]).rstrip(b"=").decode()
            end = datetime.datetime.fromtimestamp(int(end, 16), datetime.timezone.utc)
            text = text.replace(token, f"<{name}>").replace(f"{user_id}.{public}", f"<id of {name}>")
            text = text.replace(end.strftime("%Y-%m-%dT%H:%M:%SZ"), "<end of a token>")
        text = re.sub(r"[12]\.[0-9a-f]{8}\.[A-Za-z0-9_-]{43}", "<token>", text)
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+]0000)", "<time>", text)
        response = json.loads(text)
        if isinstance(response, dict) and "tokens" in (response.get("body") or {}):
            response["body"]["tokens"].sort(key=lambda token: token["id"])
        return response

    def secrets(self):
        """Returns what no log and no error may contain: the signature of every token, and the passwords."""
        return [token.split(".")[-1] for token in self.tokens.values()] + ["topsecret", "letmein", "argon2id"]


def event(fixture, **values):
    """Fills a fixture with these values. Values of None are left out, as API Gateway does."""
    route = values.get("route", "")
    values.setdefault("content_type", None)
    values.setdefault("body", None)
    values.setdefault("authorizer", {})
    values.setdefault("path", route.replace("{id}", values.get("id", "")).replace("{proxy+}", "nothing/here"))
    values.setdefault("path_parameters", {"id": values["id"]} if "id" in values else {})
    template = json.loads((FIXTURES / f"{fixture}.json").read_text())
    return fill(template, {f"{{{name}}}": value for name, value in values.items()})


MAY_BE_NULL = ["body"]


def fill(template, values):
    if isinstance(template, dict):
        filled = {name: fill(value, values) for name, value in template.items()}
        return {name: value for name, value in filled.items() if value is not None or keeps(name, template[name])}
    if isinstance(template, list):
        filled = [fill(value, values) for value in template]
        return None if None in filled else filled
    if not isinstance(template, str) or "{" not in template:
        return template
    if template in values:
        return values[template]
    return re.sub(r"{[a-z_]+}", lambda place: values.get(place[0], place[0]), template)


def keeps(name, value):
    return value is None or name in MAY_BE_NULL


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
