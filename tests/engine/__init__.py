"""The store on a real DynamoDB engine; a second time on Amazon's DynamoDB Local, and over both transports."""
