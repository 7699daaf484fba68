"""Checks a deployment from outside, over HTTP, and leaves nothing behind.

    python -m deploy.verify https://streams.example.com

The command needs Python and httpx only. `service` sends the requests, `checks` are the
promises of the service, and `report` prints the results. `account` checks a deployed
stage inside its AWS account, for `manage.py verify_stage`.
"""
