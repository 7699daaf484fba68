"""The OpenAPI document, generated from the code by drf-spectacular: `make openapi` writes the file that ships.

None of this ships, and the service imports none of it. What a view or a serializer does not say by itself (which
problems an operation may refuse with, its headers, its examples) is said here, from the outside.
"""
