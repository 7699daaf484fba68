"""The OpenAPI document, generated from the code by drf-spectacular.

`make openapi` writes the file that ships. This package does not ship, and the service
does not import it. It describes what views and serializers do not: the problems,
headers and examples of each operation.
"""
