"""The Django project: settings, URLs, WSGI, and the local DynamoDB."""
