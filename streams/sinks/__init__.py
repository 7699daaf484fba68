"""Sinks of events: lines of JSON, CloudWatch metrics and Prometheus."""
