"""Reports: the state of a player in the body of a post."""

import time

import pytest

from streams.cmcd import CmcdReport, PlayerState, latest

PLAYING, PAUSED, OVER = PlayerState
SENT_BY_HLS_JS = (
    'bg=?0,bl=(12000),br=(3000),cid="film",e=ps,lb=(500),mtp=(24800),ot=m,pr=1.25,'
    'sf=h,sid="2ab5f9f0-7a3e-4d0a-9e2c-5d9d2d7d3a55",sn=4,st=v,sta=p,'
    "ts=1764000000123,v=2"
)


@pytest.mark.parametrize(
    ("body", "report"),
    [
        (SENT_BY_HLS_JS, CmcdReport(PLAYING, 1764000000123)),
        ("sta=p,e=t", CmcdReport(PLAYING)),
        ("e=t", CmcdReport(None)),
        ("e=t,sta=d,ts=5", CmcdReport(None, 5)),
        ("e=ps,sta=k", CmcdReport(None)),
        ("pr=0", CmcdReport(PAUSED)),
        ("e=t,pr=0,sta=p", CmcdReport(PLAYING)),
        ("e=e,sta=f,ec=(levelLoadError)", CmcdReport(OVER)),
        ("e=e,sta=p", None),
        ("e=bc,sta=a", None),
        ("e=ps,sta=p\ne=ps,sta=a\r\n", CmcdReport(PAUSED)),
        ("e=ps,sta=a,ts=2\ne=ps,sta=p,ts=1", CmcdReport(PAUSED, 2)),
        ('cid="x,sta=e\\",sta=q",e=t,sta=p', CmcdReport(PLAYING)),
        ("e=ps,sta=p,ts=-1", CmcdReport(PLAYING)),
        ("e=ps,sta=p,ts=99999999999999999", CmcdReport(PLAYING)),
        ("pr=1", None),
        ("e", None),
        ("", None),
    ],
    ids=repr,
)
def test_the_latest_state_of_a_body(body: str, report: CmcdReport | None) -> None:
    assert latest(body) == report


@pytest.mark.parametrize("part", ['"', '\\"', '"\\', "=,", "\n", "e=t,"], ids=repr)
def test_a_hostile_body_of_16_kb_is_read_quickly(part: str) -> None:
    began = time.process_time()
    latest(part * (16_384 // len(part)))
    assert time.process_time() - began < 0.5
