"""The least that the function's role needs: deploy/execution-policy.json, for one table and one function."""

import json
import string
from collections.abc import Mapping
from pathlib import Path

from stages.references import statements

POLICY = Path(__file__).with_name("execution-policy.json")
DEPLOYER = Path(__file__).with_name("deployer-policy.json")


def policy(
    *,
    region: str,
    account: str,
    table: str,
    function: str,
    environment: Mapping[str, str],
) -> str:
    """The execution role's policy, as JSON."""
    named = {"region": region, "account": account, "table": table, "function": function}
    document = json.loads(string.Template(POLICY.read_text()).substitute(named))
    document["Statement"] += statements(environment, region=region, account=account)
    return json.dumps(document)


def deployer_policy(
    *, region: str, account: str, table: str, function: str, bucket: str
) -> str:
    """The least that whoever deploys needs, as JSON."""
    named = {
        "region": region,
        "account": account,
        "table": table,
        "function": function,
        "bucket": bucket,
    }
    return string.Template(DEPLOYER.read_text()).substitute(named)
