"""Holders: what the contract says to a caller about a slot that it names."""

from tests.contract.catalogue import Catalogue
from tests.contract.state import Call, Ending, Outcome, Stream, Token, User


def held(
    user: User, call: Call, token: Token, catalogue: Catalogue
) -> Stream | list[Outcome]:
    """Return the stream that a token holds, or the refusals."""
    stream = user.streams.get(call.id)
    if stream is None:
        return over(user, call, playback=token.playback)
    if stream.playback != token.playback:
        return taken_over(user, stream.id, at=stream.started_at)
    if _is_replaced(token, stream, call, catalogue):
        return [Outcome(400, user)]
    return stream


def over(user: User, call: Call, *, playback: int | None) -> list[Outcome]:
    """Return the answers about an id whose slot is empty."""
    ending = user.endings.get(call.id)
    if ending is None:
        return [Outcome(404, user)]

    told = [Outcome(410, user, ending.facts)]
    if playback not in (None, ending.playback):
        told += taken_over(user, call.id, at=ending.at)
    return told


def taken_over(user: User, id: str, *, at: int) -> list[Outcome]:
    """Return the answers to the holder of an earlier playback."""
    ending = Ending("taken-over", at, id, 0)
    told = [Outcome(410, user, ending.facts)]
    if user.was_forgotten:
        told.append(Outcome(404, user))
    return told


def stopped(user: User, stream: Stream, *, now: int, is_fence: bool = False) -> User:
    """Return the user after a stream was stopped."""
    ending = stream.ended("stopped", now=now)
    return user.without({stream.id: fenced(ending, now=now * is_fence)}, now=now)


def fenced(ending: Ending, *, now: int) -> Ending:
    """Return an ending that an operator made now."""
    return Ending(**ending.__dict__ | {"fenced_at": now})


def may_be_refused(
    user: User, token: Token, stream: Stream, call: Call, catalogue: Catalogue
) -> bool:
    """Return whether the longest lease of the user's plan has passed."""
    plan = user.effective_plan(catalogue, stream.granted)
    longest_ms = max(plan.lease_ms, plan.relaxed_ms, plan.paused_ms)
    is_old = call.now >= token.expires_at
    return is_old and _replaced_for(token, stream) > longest_ms


def _is_replaced(
    token: Token, stream: Stream, call: Call, catalogue: Catalogue
) -> bool:
    """Return whether newer tokens replaced this one more than one lease ago.

    That is certain if the longest lease of all plans has passed.
    """
    is_old = call.now >= token.expires_at
    return is_old and _replaced_for(token, stream) > catalogue.longest_ms


def _replaced_for(token: Token, stream: Stream) -> int:
    """Return by how much the lease outlasts the one that a token was issued for.

    The token that revived the stream counts as the one that the revival issued, as
    the answer with that one may have been lost.
    """
    has_revived = stream.revived_by == token.expires_at
    issued_for = stream.revived_to if has_revived else token.expires_at
    return stream.expires_at - issued_for
