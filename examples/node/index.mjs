// A small API behind Hallpass: greets callers that have the permission ROLE_USER.

export async function handler(event) {
  const { authorizer } = event.requestContext;
  const caller = authorizer.lambda ?? authorizer; // HTTP APIs nest the context, REST APIs do not.
  const scopes = JSON.parse(caller.scopes ?? "[]");
  if (!scopes.includes("ROLE_USER")) {
    return respond(403, { error: "ROLE_USER is required" });
  }
  return respond(200, { hello: caller.name, user_id: caller.user_id, scopes });
}

function respond(statusCode, body) {
  return { statusCode, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}
