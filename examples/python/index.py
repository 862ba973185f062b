"""A small API behind Hallpass: greets callers that have the permission ROLE_USER."""

import json


def handler(event, context):
    authorizer = event["requestContext"]["authorizer"]
    caller = authorizer.get("lambda", authorizer)  # HTTP APIs nest the context, REST APIs do not.
    scopes = json.loads(caller.get("scopes", "[]"))
    if "ROLE_USER" not in scopes:
        return respond(403, {"error": "ROLE_USER is required"})
    return respond(200, {"hello": caller["name"], "user_id": caller["user_id"], "scopes": scopes})


def respond(status, body):
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
