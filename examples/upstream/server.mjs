// A small API on port 8080. `hallpass dev --upstream http://localhost:8080` puts the authorizer in front of it.
import { createServer } from "node:http";

createServer((request, response) => {
  const { "hallpass-user-id": user_id, "hallpass-name": name, "hallpass-scopes": scopes } = request.headers;
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ path: request.url, user_id, name, scopes: JSON.parse(scopes ?? "[]") }) + "\n");
}).listen(8080, "localhost");
