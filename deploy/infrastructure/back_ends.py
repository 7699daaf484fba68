"""The route `/back-end` of Zappa's API, where back ends send their own API key.

Viewers' routes require no key, or players and the preflights of browsers would get 403.
The same routes under `/back-end` require one: API Gateway counts the requests of each
key against the rate and the burst of its usage plan. The service reads the same header
(`X-API-Key`), and `API_KEYS` holds the SHA-256 of the key. Keys and usage plans are in
the stack, so that a back end keeps its key when the API is created again.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from deploy.infrastructure.changes import Change
from deploy.infrastructure.stage_file import StageFile
from stages import Stage

PREFIX = "back-end"
PROXY = f"/{PREFIX}/{{proxy+}}"

type Resources = dict[str, dict[str, Any]]


def route_changes(
    stage: Stage, api_id: str, file: StageFile, apigateway: Any
) -> Iterator[Change]:
    """Yield the creation of the route, if the stage has back ends and no route."""
    if not file.consumers:
        return

    resources = _resources(api_id, apigateway)
    methods = resources.get(PROXY, {}).get("resourceMethods", {})
    if "ANY" not in methods:
        create = partial(_create, apigateway, api_id, stage, resources)
        yield Change(subject=f"route /{PREFIX}, which requires a key", apply=create)


def _resources(api_id: str, apigateway: Any) -> Resources:
    pages = apigateway.get_paginator("get_resources").paginate(
        restApiId=api_id, embed=["methods"]
    )
    return {item["path"]: item for page in pages for item in page["items"]}


def _create(apigateway: Any, api_id: str, stage: Stage, resources: Resources) -> None:
    """Create `/back-end/{proxy+}`, with the integration of `/{proxy+}`."""
    viewers = resources["/{proxy+}"]
    integration = apigateway.get_integration(
        restApiId=api_id,
        resourceId=viewers["id"],
        httpMethod=next(iter(viewers["resourceMethods"])),
    )

    root = resources["/"]["id"]
    parent = _resource(apigateway, api_id, resources, f"/{PREFIX}", root)
    proxy = _resource(apigateway, api_id, resources, PROXY, parent)

    method = {"restApiId": api_id, "resourceId": proxy, "httpMethod": "ANY"}
    apigateway.put_method(**method, authorizationType="NONE", apiKeyRequired=True)
    apigateway.put_integration(
        **method,
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=integration["uri"],
        credentials=integration["credentials"],
    )
    apigateway.create_deployment(restApiId=api_id, stageName=stage.name)


def _resource(
    apigateway: Any, api_id: str, resources: Resources, path: str, parent_id: str
) -> str:
    """Return the id of a resource of the API. Create it if it does not exist."""
    if path in resources:
        return str(resources[path]["id"])

    created = apigateway.create_resource(
        restApiId=api_id, parentId=parent_id, pathPart=path.rpartition("/")[2]
    )
    return str(created["id"])
