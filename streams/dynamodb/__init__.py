"""Calls to DynamoDB: the transport, retries, the circuit breaker and the deadline."""
