"""Deployment, which never ships: package, infrastructure, releases and rehearsal."""
