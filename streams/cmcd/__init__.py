"""CMCD as heartbeats: players report their state without code of this project.

hls.js, dash.js and Shaka post reports of Common Media Client Data (CTA-5004-A and
-B) to an address. The service signs an address for one playback, and reads from the
reports whether the stream plays, is paused, or is over.
"""

from streams.cmcd.handles import Handle, issue, verify
from streams.cmcd.reports import CmcdReport, PlayerState, latest

__all__ = ["CmcdReport", "Handle", "PlayerState", "issue", "latest", "verify"]
