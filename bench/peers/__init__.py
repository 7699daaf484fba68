"""The same three verbs, by other means. Each module has a `lambda_handler`."""

NAMES = {
    "bare": "bare boto3",
    "service": "this service",
    "service-botocore": "this service over botocore",
    "powertools": "Powertools",
    "fastapi_mangum": "FastAPI + Mangum",
    "flask_zappa": "Flask + Zappa",
}
VARIANTS = {"service-botocore": ("service", {"DYNAMODB_TRANSPORT": "botocore"})}
"""Not modules, but a module and what its environment holds beside the rest; measured warm only."""
MODULES = [name for name in NAMES if name not in VARIANTS]
