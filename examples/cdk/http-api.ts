import * as cdk from "aws-cdk-lib";
import * as apigateway from "aws-cdk-lib/aws-apigatewayv2";
import {
  HttpLambdaAuthorizer,
  HttpLambdaResponseType,
} from "aws-cdk-lib/aws-apigatewayv2-authorizers";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import * as lambda from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import { Hello } from "./hello";

export interface HttpApiProps extends cdk.StackProps {
  /** The output AuthorizerArn of the Hallpass stack, which is in the same account and region. */
  readonly authorizerArn: string;
  /**
   * How long API Gateway caches a response of the authorizer, even if the token expires earlier.
   * Give Hallpass the longest one (its parameter AuthorizerCacheTtl).
   *
   * @default no cache
   */
  readonly cacheTtl?: cdk.Duration;
  /**
   * The origin whose scripts can call the API, such as https://app.example.com. API Gateway adds the
   * headers to its own responses too.
   *
   * @default no other origin
   */
  readonly corsAllowedOrigin?: string;
}

/**
 * Your own HTTP API behind the Hallpass authorizer, with simple responses (payload 2.0). An HTTP API
 * has no gateway responses: a rejected token gets 403, a missing one 401, both with a body of API
 * Gateway and no challenge.
 */
export class HttpApiStack extends cdk.Stack {
  constructor(scope: Construct, id: string, props: HttpApiProps) {
    super(scope, id, props);

    // Only for a function of the same environment does the CDK create the permission to invoke it.
    const handler = lambda.Function.fromFunctionAttributes(this, "Authorizer", {
      functionArn: props.authorizerArn,
      sameEnvironment: true,
    });
    const api = new apigateway.HttpApi(this, "Api", {
      apiName: this.stackName,
      // Protects every route, also those that are added later.
      defaultAuthorizer: new HttpLambdaAuthorizer("Hallpass", handler, {
        responseTypes: [HttpLambdaResponseType.SIMPLE],
        identitySource: ["$request.header.Authorization"],
        // The CDK caches for five minutes unless told otherwise.
        resultsCacheTtl: props.cacheTtl ?? cdk.Duration.seconds(0),
      }),
      corsPreflight: props.corsAllowedOrigin
        ? {
            allowOrigins: [props.corsAllowedOrigin],
            allowMethods: [apigateway.CorsHttpMethod.GET],
            allowHeaders: ["Authorization"],
          }
        : undefined,
    });

    const hello = new Hello(this, "Hello");
    api.addRoutes({
      path: "/hello",
      methods: [apigateway.HttpMethod.GET],
      integration: new HttpLambdaIntegration("Hello", hello.handler),
    });

    new cdk.CfnOutput(this, "Url", { value: `${api.apiEndpoint}/hello` });
  }
}
