"""A typical Lambda authorizer: PyJWT verifies the token, and one strongly consistent read checks that it is not revoked."""

import base64
import os

import boto3
import jwt

SECRET = base64.urlsafe_b64decode(os.environ["JWT_SECRET"] + "==")
TABLE = os.environ["TABLE"]
OPTIONS = {"require": ["exp", "jti", "sub"], "verify_aud": False}
dynamodb = boto3.client("dynamodb")


def policy(principal, effect, method_arn, context):
    api, stage = method_arn.split("/")[:2]
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": f"{api}/{stage}/*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": principal, "policyDocument": document, "context": context}


def handler(event, context):
    headers = event.get("headers") or {}
    header = headers.get("Authorization") or headers.get("authorization") or ""
    token = header[7:] if header.lower().startswith("bearer ") else header
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], issuer="hallpass", options=OPTIONS)
    except jwt.InvalidTokenError as error:
        return policy("rejected", "Deny", event["methodArn"], {"reason": type(error).__name__})
    found = dynamodb.get_item(TableName=TABLE, Key={"jti": {"S": claims["jti"]}}, ConsistentRead=True).get("Item")
    if not found or found.get("revoked", {}).get("BOOL") or found["user_id"]["S"] != claims["sub"]:
        return policy("rejected", "Deny", event["methodArn"], {"reason": "revoked"})
    scope = ",".join(found.get("scope", {}).get("SS", []))
    context = {"user_id": claims["sub"], "name": claims["name"], "scope": scope}
    return policy(claims["sub"], "Allow", event["methodArn"], context)
