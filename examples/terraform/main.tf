# Your own REST API behind the Hallpass authorizer. A request with a live token is accepted, and the
# function receives the user. Any other request gets a 401 with the reason.

# The outputs AuthorizerArn, AuthorizerUri and Realm.
data "aws_cloudformation_stack" "hallpass" {
  name = var.hallpass_stack
}

locals {
  hallpass = data.aws_cloudformation_stack.hallpass.outputs
  bearer   = "Bearer realm=\"${local.hallpass["Realm"]}\""
  basic    = "Basic realm=\"${local.hallpass["Realm"]}\", charset=\"UTF-8\""

  # The headers of every gateway response.
  headers = merge(
    {
      "gatewayresponse.header.Cache-Control" = "'no-store'"
      "gatewayresponse.header.Content-Type"  = "'application/problem+json'"
    },
    # API Gateway sends one fixed origin or repeats one that nothing has checked. These responses
    # contain no secret, and `*` forbids credentials. The preflight of your routes decides which
    # origins may send a token.
    var.cors_allowed ? {
      "gatewayresponse.header.Access-Control-Allow-Origin"   = "'*'"
      "gatewayresponse.header.Access-Control-Expose-Headers" = "'WWW-Authenticate, X-WWW-Authenticate, Retry-After'"
    } : {},
  )
}

resource "aws_api_gateway_rest_api" "api" {
  name = var.name

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_authorizer" "hallpass" {
  rest_api_id                      = aws_api_gateway_rest_api.api.id
  name                             = "hallpass"
  type                             = "REQUEST"
  authorizer_uri                   = local.hallpass["AuthorizerUri"]
  identity_source                  = "method.request.header.Authorization"
  authorizer_result_ttl_in_seconds = var.cache_seconds
}

# Allows API Gateway to invoke the authorizer for this API only.
resource "aws_lambda_permission" "authorizer" {
  action        = "lambda:InvokeFunction"
  function_name = trimsuffix(local.hallpass["AuthorizerArn"], ":live")
  qualifier     = "live"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.api.execution_arn}/authorizers/${aws_api_gateway_authorizer.hallpass.id}"
}

# A rejected token gets 401, not 403, with the authorizer's description, which contains nothing from
# the request.
resource "aws_api_gateway_gateway_response" "access_denied" {
  rest_api_id   = aws_api_gateway_rest_api.api.id
  response_type = "ACCESS_DENIED"
  status_code   = "401"

  response_parameters = merge(local.headers, {
    "gatewayresponse.header.WWW-Authenticate"   = "context.authorizer.challenges"
    "gatewayresponse.header.X-WWW-Authenticate" = "context.authorizer.challenge"
  })

  response_templates = {
    "application/json" = jsonencode({
      type   = "about:blank"
      title  = "Unauthorized"
      status = 401
      detail = "$context.authorizer.detail"
      reason = "$context.authorizer.reason"
    })
  }
}

# There was no token.
resource "aws_api_gateway_gateway_response" "unauthorized" {
  rest_api_id   = aws_api_gateway_rest_api.api.id
  response_type = "UNAUTHORIZED"
  status_code   = "401"

  response_parameters = merge(local.headers, {
    "gatewayresponse.header.WWW-Authenticate"   = "'${local.bearer}, ${local.basic}'"
    "gatewayresponse.header.X-WWW-Authenticate" = "'${local.bearer}'"
  })

  response_templates = {
    "application/json" = jsonencode({
      type   = "about:blank"
      title  = "Unauthorized"
      status = 401
      detail = "An access token is required"
    })
  }
}

resource "aws_api_gateway_gateway_response" "throttled" {
  rest_api_id   = aws_api_gateway_rest_api.api.id
  response_type = "THROTTLED"
  status_code   = "429"

  response_parameters = merge(local.headers, {
    "gatewayresponse.header.Retry-After" = "'1'"
  })

  response_templates = {
    "application/json" = jsonencode({
      type   = "about:blank"
      title  = "Too Many Requests"
      status = 429
    })
  }
}

# Every other rejection and failure keeps the status that API Gateway gives it.
resource "aws_api_gateway_gateway_response" "default_4xx" {
  rest_api_id         = aws_api_gateway_rest_api.api.id
  response_type       = "DEFAULT_4XX"
  response_parameters = local.headers

  response_templates = {
    "application/json" = jsonencode({
      type  = "about:blank"
      title = "The request was rejected"
    })
  }
}

resource "aws_api_gateway_gateway_response" "default_5xx" {
  rest_api_id         = aws_api_gateway_rest_api.api.id
  response_type       = "DEFAULT_5XX"
  response_parameters = local.headers

  response_templates = {
    "application/json" = jsonencode({
      type  = "about:blank"
      title = "The service could not answer"
    })
  }
}

resource "aws_api_gateway_resource" "hello" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  parent_id   = aws_api_gateway_rest_api.api.root_resource_id
  path_part   = "hello"
}

resource "aws_api_gateway_method" "hello" {
  rest_api_id   = aws_api_gateway_rest_api.api.id
  resource_id   = aws_api_gateway_resource.hello.id
  http_method   = "GET"
  authorization = "CUSTOM"
  authorizer_id = aws_api_gateway_authorizer.hallpass.id
}

resource "aws_api_gateway_integration" "hello" {
  rest_api_id             = aws_api_gateway_rest_api.api.id
  resource_id             = aws_api_gateway_resource.hello.id
  http_method             = aws_api_gateway_method.hello.http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = aws_lambda_function.hello.invoke_arn
}

resource "aws_lambda_permission" "hello" {
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.hello.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.api.execution_arn}/*/GET/hello"
}

# A stage serves a deployment, which is a copy of the resources above: a change of any of them must
# replace it.
resource "aws_api_gateway_deployment" "api" {
  rest_api_id = aws_api_gateway_rest_api.api.id

  triggers = {
    redeployment = sha1(jsonencode([
      aws_api_gateway_authorizer.hallpass,
      aws_api_gateway_gateway_response.access_denied,
      aws_api_gateway_gateway_response.unauthorized,
      aws_api_gateway_gateway_response.throttled,
      aws_api_gateway_gateway_response.default_4xx,
      aws_api_gateway_gateway_response.default_5xx,
      aws_api_gateway_resource.hello,
      aws_api_gateway_method.hello,
      aws_api_gateway_integration.hello,
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "v1" {
  rest_api_id   = aws_api_gateway_rest_api.api.id
  deployment_id = aws_api_gateway_deployment.api.id
  stage_name    = "v1"
}

output "url" {
  description = "The URL of the API."
  value       = "${aws_api_gateway_stage.v1.invoke_url}/hello"
}
