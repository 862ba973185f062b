"""The callers of tools/openapi/run. The requests also revoke tokens, so a new token is generated every two seconds."""

import json
import os
import ssl
import urllib.request
from base64 import b64encode

import schemathesis

PASSWORDS = {"administrator": "admin:letmein", "user": "my_username:topsecret", "password": "my_username:topsecret"}
caller = os.environ["CALLER"]


def basic(pair):
    return "Basic " + b64encode(pair.encode()).decode()


def token(pair):
    request = urllib.request.Request(
        os.environ["URL"] + "/api/services_token/generate", method="POST", headers={"Authorization": basic(pair)}
    )
    trusted = ssl.create_default_context(cafile=os.environ["CA"])
    with urllib.request.urlopen(request, context=trusted) as response:
        return json.load(response)["token"]


class Caller:
    """Sends the caller's credentials, in addition to those that Schemathesis generates."""

    def get(self, case, context):
        pair = PASSWORDS[caller]
        return basic(pair) if caller == "password" else "Bearer " + token(pair)

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = data


if caller != "anonymous":
    schemathesis.auth(refresh_interval=2)(Caller)
