"""The whole product, in separate processes.

The local server, commands, pages, clients and deployment.
"""
