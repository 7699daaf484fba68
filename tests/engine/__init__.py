"""The store on a real DynamoDB engine.

CI runs these tests on Amazon's DynamoDB Local and with the transport botocore too.
"""
