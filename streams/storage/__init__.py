"""The rule as conditional writes to one DynamoDB item a user."""
