"""The adapters, one for each media server, by the name of their table and path."""

from collections.abc import Mapping

from streams_agent.adapters.auth_request import AuthRequest
from streams_agent.adapters.flussonic import Flussonic
from streams_agent.adapters.icecast import Icecast
from streams_agent.adapters.mediamtx import MediaMTX
from streams_agent.adapters.nginx_rtmp import NginxRTMP
from streams_agent.adapters.ovenmediaengine import OvenMediaEngine
from streams_agent.adapters.srs import SRS
from streams_agent.hooks import Adapter

ADAPTERS: Mapping[str, type[Adapter]] = {
    adapter.name: adapter
    for adapter in (
        NginxRTMP,
        Icecast,
        SRS,
        OvenMediaEngine,
        MediaMTX,
        Flussonic,
        AuthRequest,
    )
}
