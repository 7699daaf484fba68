"""The agent next to real media servers, with real bytes.

`python -m tests.agent.run nginx-rtmp icecast` runs every act in its long form and
prints the figures. The tests run the same acts in a short form.
"""
