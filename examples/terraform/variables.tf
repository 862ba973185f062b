variable "hallpass_stack" {
  description = "The name of the Hallpass stack, in the account and region of the provider."
  type        = string
  default     = "hallpass"
}

variable "name" {
  description = "The name of the API, of its function and of the role and the log group of that function."
  type        = string
  default     = "hello"
}

variable "cache_seconds" {
  description = <<-EOT
    How long API Gateway caches a response of the authorizer. A token that is revoked meanwhile may be
    accepted until then. Give Hallpass the longest one (its parameter AuthorizerCacheTtl).
  EOT
  type        = number
  default     = 0

  validation {
    condition     = var.cache_seconds >= 0 && var.cache_seconds <= 3600
    error_message = "cache_seconds must be between 0 and 3600."
  }
}

variable "cors_allowed" {
  description = "Whether scripts of other origins may read why a request was rejected."
  type        = bool
  default     = false
  nullable    = false
}
