"""The same three verbs, by other means. Each module has a `lambda_handler`."""

NAMES = {
    "bare": "bare boto3",
    "service": "this service",
    "service-botocore": "this service over botocore",
    "frameworks": "Django and REST framework alone",
    "powertools": "Powertools",
    "fastapi_mangum": "FastAPI + Mangum",
    "flask_zappa": "Flask + Zappa",
}
VARIANTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "service-botocore": ("service", "service", {"DYNAMODB_TRANSPORT": "botocore"}),
    "frameworks": ("service", "frameworks", {}),
}
"""What is measured warm only: in the package of which module, a module, and what its environment holds beside the
rest."""
MODULES = [name for name in NAMES if name not in VARIANTS]
