# The function of examples/node, which reads the caller from the authorizer's context.

data "archive_file" "hello" {
  type        = "zip"
  source_file = "${path.module}/../node/index.mjs"
  output_path = "${path.module}/hello.zip"
}

resource "aws_lambda_function" "hello" {
  function_name    = var.name
  description      = "Greets the user of the token."
  runtime          = "nodejs22.x"
  handler          = "index.handler"
  filename         = data.archive_file.hello.output_path
  source_code_hash = data.archive_file.hello.output_base64sha256
  role             = aws_iam_role.hello.arn

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.hello.name
  }
}

resource "aws_cloudwatch_log_group" "hello" {
  name              = "/hallpass-example/${var.name}"
  retention_in_days = 30
}

resource "aws_iam_role" "hello" {
  name = var.name

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "hello" {
  name = "log"
  role = aws_iam_role.hello.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.hello.arn}:*"
    }]
  })
}
