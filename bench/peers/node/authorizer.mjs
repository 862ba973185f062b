// A typical Lambda authorizer: jose verifies the token, and one strongly consistent read checks that it is not revoked.
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { jwtVerify } from "jose";

const secret = Buffer.from(process.env.JWT_SECRET, "base64url");
const options = { algorithms: ["HS256"], issuer: "hallpass", requiredClaims: ["exp", "jti", "sub"] };
const dynamodb = new DynamoDBClient({});

function policy(principalId, effect, methodArn, context) {
  const [api, stage] = methodArn.split("/");
  const statement = { Action: "execute-api:Invoke", Effect: effect, Resource: `${api}/${stage}/*` };
  return { principalId, policyDocument: { Version: "2012-10-17", Statement: [statement] }, context };
}

export async function handler(event) {
  const header = event.headers?.Authorization ?? event.headers?.authorization ?? "";
  const token = header.replace(/^Bearer /i, "");
  let claims;
  try {
    claims = (await jwtVerify(token, secret, options)).payload;
  } catch (error) {
    return policy("rejected", "Deny", event.methodArn, { reason: error.code ?? "invalid" });
  }
  const found = await dynamodb.send(
    new GetItemCommand({ TableName: process.env.TABLE, Key: { jti: { S: claims.jti } }, ConsistentRead: true }),
  );
  if (!found.Item || found.Item.revoked?.BOOL || found.Item.user_id?.S !== claims.sub) {
    return policy("rejected", "Deny", event.methodArn, { reason: "revoked" });
  }
  const scope = (found.Item.scope?.SS ?? []).join(",");
  return policy(claims.sub, "Allow", event.methodArn, { user_id: claims.sub, name: claims.name, scope });
}
