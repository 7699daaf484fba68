"""The whole product, in processes of its own: the local server, commands, pages, clients, deployment."""
