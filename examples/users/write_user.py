"""Writes users for Hallpass with boto3."""

import boto3

from username_key import username_key

dynamodb = boto3.client("dynamodb")


def create_user(table, user_id, name, password_hash, permissions):
    """Adds a user. Fails if the ID is taken."""
    dynamodb.put_item(
        TableName=table,
        Item={
            "user_id": {"S": user_id},
            "username": {"S": name},
            "username_key": {"S": username_key(name)},
            "password_hash": {"S": password_hash},
            "permissions": {"SS": permissions},
            "status": {"S": "active"},
        },
        ConditionExpression="attribute_not_exists(user_id)",
    )


def rename_user(table, user_id, name):
    """Renames a user and invalidates the user's tokens."""
    dynamodb.update_item(
        TableName=table,
        Key={"user_id": {"S": user_id}},
        UpdateExpression="SET username = :name, username_key = :key ADD token_generation :one",
        ConditionExpression="attribute_exists(user_id)",
        ExpressionAttributeValues={
            ":name": {"S": name},
            ":key": {"S": username_key(name)},
            ":one": {"N": "1"},
        },
    )


def block_user(table, user_id):
    """Blocks a user and invalidates the user's tokens."""
    dynamodb.update_item(
        TableName=table,
        Key={"user_id": {"S": user_id}},
        UpdateExpression="SET #status = :blocked ADD token_generation :one",
        ConditionExpression="attribute_exists(user_id)",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":blocked": {"S": "blocked"}, ":one": {"N": "1"}},
    )
