"""A deployment as its callers see it: what a limiter promises, tried out over HTTP, leaving nothing behind.

    python -m deploy.blackbox https://streams.example.com     (the standard library and httpx are all that it needs)

`caller` sends the requests, `checks` has what is promised, `report` what is said of it.
"""
