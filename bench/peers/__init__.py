"""The same three verbs, by other means. Each module has a `lambda_handler`."""
