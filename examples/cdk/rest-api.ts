import * as cdk from "aws-cdk-lib";
import * as apigateway from "aws-cdk-lib/aws-apigateway";
import * as lambda from "aws-cdk-lib/aws-lambda";
import type { Construct } from "constructs";
import { Hello } from "./hello";

export interface RestApiProps extends cdk.StackProps {
  /** The output AuthorizerArn of the Hallpass stack, which is in the same account and region. */
  readonly authorizerArn: string;
  /** The output Realm of the Hallpass stack. */
  readonly realm: string;
  /**
   * How long API Gateway caches a response of the authorizer. A token that is revoked meanwhile may
   * be accepted until then. Give Hallpass the longest one (its parameter AuthorizerCacheTtl).
   *
   * @default no cache
   */
  readonly cacheTtl?: cdk.Duration;
  /**
   * Whether scripts of other origins may read why a request was rejected.
   *
   * @default false
   */
  readonly corsAllowed?: boolean;
}

/**
 * Your own REST API behind the Hallpass authorizer. A request with a live token is accepted, and the
 * function receives the user. Any other request gets a 401 with the reason.
 */
export class RestApiStack extends cdk.Stack {
  constructor(scope: Construct, id: string, props: RestApiProps) {
    super(scope, id, props);

    const authorizer = new apigateway.RequestAuthorizer(this, "Hallpass", {
      // Only for a function of the same environment does the CDK create the permission to invoke it.
      handler: lambda.Function.fromFunctionAttributes(this, "Authorizer", {
        functionArn: props.authorizerArn,
        sameEnvironment: true,
      }),
      identitySources: [apigateway.IdentitySource.header("Authorization")],
      // The CDK caches for five minutes unless told otherwise.
      resultsCacheTtl: props.cacheTtl ?? cdk.Duration.seconds(0),
    });

    const api = new apigateway.RestApi(this, "Api", {
      restApiName: this.stackName,
      deployOptions: { stageName: "v1" },
      endpointTypes: [apigateway.EndpointType.REGIONAL],
      cloudWatchRole: false,
      // Protects every method, also those that are added later.
      defaultMethodOptions: { authorizer, authorizationType: apigateway.AuthorizationType.CUSTOM },
    });

    const headers = {
      "Cache-Control": "'no-store'",
      "Content-Type": "'application/problem+json'",
      // API Gateway sends one fixed origin or repeats one that nothing has checked. These responses
      // contain no secret, and `*` forbids credentials. The preflight of your routes decides which
      // origins may send a token.
      ...(props.corsAllowed && {
        "Access-Control-Allow-Origin": "'*'",
        "Access-Control-Expose-Headers": "'WWW-Authenticate, X-WWW-Authenticate, Retry-After'",
      }),
    };
    const unauthorized = { type: "about:blank", title: "Unauthorized", status: 401 };
    // A rejected token gets 401, not 403, with the authorizer's description, which contains nothing
    // from the request.
    api.addGatewayResponse("Rejected", {
      type: apigateway.ResponseType.ACCESS_DENIED,
      statusCode: "401",
      responseHeaders: {
        "WWW-Authenticate": "context.authorizer.challenges",
        "X-WWW-Authenticate": "context.authorizer.challenge",
        ...headers,
      },
      templates: {
        "application/json": JSON.stringify({
          ...unauthorized,
          detail: "$context.authorizer.detail",
          reason: "$context.authorizer.reason",
        }),
      },
    });
    // There was no token.
    const bearer = `Bearer realm="${props.realm}"`;
    const basic = `Basic realm="${props.realm}", charset="UTF-8"`;
    api.addGatewayResponse("Missing", {
      type: apigateway.ResponseType.UNAUTHORIZED,
      statusCode: "401",
      responseHeaders: {
        "WWW-Authenticate": `'${bearer}, ${basic}'`,
        "X-WWW-Authenticate": `'${bearer}'`,
        ...headers,
      },
      templates: {
        "application/json": JSON.stringify({
          ...unauthorized,
          detail: "An access token is required",
        }),
      },
    });
    api.addGatewayResponse("Throttled", {
      type: apigateway.ResponseType.THROTTLED,
      statusCode: "429",
      responseHeaders: { "Retry-After": "'1'", ...headers },
      templates: {
        "application/json": JSON.stringify({
          type: "about:blank",
          title: "Too Many Requests",
          status: 429,
        }),
      },
    });
    // Every other rejection and failure keeps the status that API Gateway gives it.
    api.addGatewayResponse("Default4xx", {
      type: apigateway.ResponseType.DEFAULT_4XX,
      responseHeaders: headers,
      templates: {
        "application/json": JSON.stringify({
          type: "about:blank",
          title: "The request was rejected",
        }),
      },
    });
    api.addGatewayResponse("Default5xx", {
      type: apigateway.ResponseType.DEFAULT_5XX,
      responseHeaders: headers,
      templates: {
        "application/json": JSON.stringify({
          type: "about:blank",
          title: "The service could not answer",
        }),
      },
    });

    const hello = new Hello(this, "Hello");
    api.root.addResource("hello").addMethod("GET", new apigateway.LambdaIntegration(hello.handler));

    new cdk.CfnOutput(this, "Url", { value: api.urlForPath("/hello") });
  }
}
