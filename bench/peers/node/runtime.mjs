// The loop of the Runtime API: only what Amazon's own runtime does for a handler, so that Node is not slower here than on
// Lambda. (Amazon's package has a native part to compile, and needs a newer Node than some machines have.)
import { Agent, request } from "node:http";
import { handler } from "./authorizer.mjs";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const sent = request({ host, port, agent, method, path: `/2018-06-01/runtime/${path}`, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

for (;;) {
  const next = await call("GET", "invocation/next");
  const id = next.headers["lambda-runtime-aws-request-id"];
  try {
    const output = await handler(JSON.parse(next.body));
    await call("POST", `invocation/${id}/response`, JSON.stringify(output));
  } catch (error) {
    const report = { errorType: error.name, errorMessage: error.message };
    await call("POST", `invocation/${id}/error`, JSON.stringify(report));
  }
}
