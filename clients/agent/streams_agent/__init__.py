"""Holds the leases of a media server's players.

The agent runs next to the media server and answers its hooks: it starts a stream at the
limiter when a player connects, renews the lease while the player plays, and ends the
player's connection when the limiter ends the stream. Its modules, from top to bottom:

* `application`: the HTTP server that the media server calls
* `keeper`: the life of a player's session, from its start to its end
* `adapters`: one media server each, over the interface in `hooks`
* `limiter`: the calls to the limiter
* `sessions`: the state on disk
"""
