"""The same three verbs, by other means. Each module has a `lambda_handler`."""

NAMES = {
    "bare": "bare boto3",
    "service": "this service",
    "powertools": "Powertools",
    "fastapi_mangum": "FastAPI + Mangum",
    "flask_zappa": "Flask + Zappa",
}
