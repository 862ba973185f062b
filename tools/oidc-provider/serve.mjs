// An OpenID provider for tests: any name and password sign in, and the name is the subject. Prints its issuer.
// Usage: node serve.mjs REDIRECT_URI [PORT]
import { createServer } from "node:http";
import Provider from "./.installed/node_modules/oidc-provider/lib/index.js";

const [redirectUri, port] = process.argv.slice(2);
const server = createServer();
server.listen(Number(port ?? 0), "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: "hallpass", redirect_uris: [redirectUri], token_endpoint_auth_method: "none" }],
    cookies: { keys: ["a key for tests"] },
    pkce: { required: () => true },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
