"""Rehearsal of deployments on this machine: `zappa` against an emulated AWS."""
