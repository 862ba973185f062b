// Two APIs behind the Hallpass authorizer. Deploy one or both, with the outputs of the Hallpass stack:
//
//   npx cdk deploy RestApi --context authorizerArn=<AuthorizerArn> --context realm=<Realm>

import * as cdk from "aws-cdk-lib";
import { HttpApiStack } from "./http-api";
import { RestApiStack } from "./rest-api";

const app = new cdk.App();

const authorizerArn: unknown = app.node.tryGetContext("authorizerArn");
if (typeof authorizerArn !== "string" || !authorizerArn.startsWith("arn:")) {
  throw new Error("--context authorizerArn=… must be the output AuthorizerArn of the Hallpass stack");
}
const cacheTtl = cdk.Duration.seconds(Number(app.node.tryGetContext("cacheSeconds") ?? 0));
// The command line passes a text, and cdk.json can contain a boolean.
const corsAllowed = String(app.node.tryGetContext("corsAllowed") ?? false);
if (corsAllowed !== "true" && corsAllowed !== "false") {
  throw new Error("--context corsAllowed=… must be true or false");
}

new RestApiStack(app, "RestApi", {
  authorizerArn,
  realm: app.node.tryGetContext("realm") ?? "hallpass",
  cacheTtl,
  corsAllowed: corsAllowed === "true",
});
new HttpApiStack(app, "HttpApi", {
  authorizerArn,
  cacheTtl,
  corsAllowedOrigin: app.node.tryGetContext("corsAllowedOrigin"),
});
