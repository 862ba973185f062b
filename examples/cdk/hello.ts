import * as path from "node:path";
import * as cdk from "aws-cdk-lib";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";

/** The function of `examples/node`, which reads the caller from the authorizer's context. */
export class Hello extends Construct {
  readonly handler: lambda.Function;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.handler = new lambda.Function(this, "Function", {
      description: "Greets the user of the token.",
      runtime: lambda.Runtime.NODEJS_22_X,
      handler: "index.handler",
      code: lambda.Code.fromAsset(path.join(__dirname, "../node")),
      logGroup: new logs.LogGroup(this, "Log", {
        retention: logs.RetentionDays.ONE_MONTH,
        removalPolicy: cdk.RemovalPolicy.DESTROY,
      }),
    });
  }
}
