// Writes users for Hallpass with version 3 of the AWS SDK.

import { DynamoDBClient, PutItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { usernameKey } from "./username_key.mjs";

const dynamodb = new DynamoDBClient();

/** Adds a user. Fails if the ID is taken. */
export async function createUser(table, userId, name, passwordHash, permissions) {
  await dynamodb.send(new PutItemCommand({
    TableName: table,
    Item: {
      user_id: { S: userId },
      username: { S: name },
      username_key: { S: usernameKey(name) },
      password_hash: { S: passwordHash },
      permissions: { SS: permissions },
      status: { S: "active" },
    },
    ConditionExpression: "attribute_not_exists(user_id)",
  }));
}

/** Renames a user and invalidates the user's tokens. */
export async function renameUser(table, userId, name) {
  await dynamodb.send(new UpdateItemCommand({
    TableName: table,
    Key: { user_id: { S: userId } },
    UpdateExpression: "SET username = :name, username_key = :key ADD token_generation :one",
    ConditionExpression: "attribute_exists(user_id)",
    ExpressionAttributeValues: {
      ":name": { S: name },
      ":key": { S: usernameKey(name) },
      ":one": { N: "1" },
    },
  }));
}

/** Blocks a user and invalidates the user's tokens. */
export async function blockUser(table, userId) {
  await dynamodb.send(new UpdateItemCommand({
    TableName: table,
    Key: { user_id: { S: userId } },
    UpdateExpression: "SET #status = :blocked ADD token_generation :one",
    ConditionExpression: "attribute_exists(user_id)",
    ExpressionAttributeNames: { "#status": "status" },
    ExpressionAttributeValues: { ":blocked": { S: "blocked" }, ":one": { N: "1" } },
  }));
}
