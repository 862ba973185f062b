// An OpenID provider for tests: any name and password sign in, and the name is the subject. Prints its issuer.
// Usage: node serve.mjs REDIRECT_URI [PORT]
// For back-channel logout, NODE_EXTRA_CA_CERTS names the certificate authority of the redirect URI.
import { createServer } from "node:http";
import Provider from "./.installed/node_modules/oidc-provider/lib/index.js";

const [redirectUri, port] = process.argv.slice(2);
const signInPage = redirectUri.replace(/\/oidc\/callback$/, "");
const server = createServer();
server.listen(Number(port ?? 0), "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    claims: { openid: ["sub"], profile: ["preferred_username", "name"], groups: ["groups"] },
    clients: [
      {
        client_id: "hallpass",
        redirect_uris: [redirectUri],
        post_logout_redirect_uris: [signInPage],
        backchannel_logout_uri: `${signInPage}/oidc/back-channel-logout`,
        backchannel_logout_session_required: true,
        token_endpoint_auth_method: "none",
      },
    ],
    cookies: { keys: ["a key for tests"] },
    // It calls no address of this machine by itself, and Hallpass runs here.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    features: { backchannelLogout: { enabled: true } },
    pkce: { required: () => true },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, name: `${id} of the provider`, groups: ["engineering"] }),
    }),
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
