"""Two releases at once: what a canary, a rolling update and a roll-back do.

releases.toml      the commit of each release
checkout           the code of a release, from git
worker             serves calls with the code of one release, under a virtual clock
next_release       turns today's code into that of a release that writes more
mixed              a user whose calls are spread over the workers of two releases
comparison         the scenes of the contract, alone and mixed
players            both releases' client tests, against both releases
run                `make releases`: all of it
"""
