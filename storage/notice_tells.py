"""What becomes of a notice that was told: the statements behind `Notices.told`, built once."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, and_, bindparam, case, exists, func, update

from storage.notice_picks import NOW
from storage.records import EDITED
from storage.schema import drafts, notices

__all__ = ["TELL", "TELL_ONCE_MORE"]

# No value that is bound in an UPDATE has the name of a column: it would be written there.
# What a process that was away too long writes hits no row: somebody has taken it over since. What
# was only let go for it, and has arrived after all, has arrived.
_HELD = and_(
    notices.c.id == bindparam("held"),
    notices.c.state.in_(("sending", "due")),
    notices.c.lease_gen == bindparam("taken"),
)
_ASKS = exists().where(drafts.c.chat_id == notices.c.chat_id, drafts.c.asked_as == notices.c.key)
_VERSION = bindparam("version", type_=Integer)
TELL = (
    update(notices)
    .where(_HELD)
    .values(
        told=_VERSION,
        state=case((notices.c.wanted > _VERSION, "due"), else_="told"),
        # Told: when. Newer already: at once, unless that was put off.
        due_at=case(
            (and_(notices.c.wanted > _VERSION, notices.c.due_at > NOW), notices.c.due_at),
            else_=NOW,
        ),
        owed_at=case((notices.c.wanted > _VERSION, notices.c.due_at)),  # that wish came meanwhile
        lease_until=None,
        tries=0,
        resent=False,
        why=None,
        # A question of which another copy may stand is known by its words, if that is answered.
        body=case((and_(notices.c.tries > 1, _ASKS), notices.c.body)),
        message_id=func.coalesce(bindparam("message", type_=BigInteger), notices.c.message_id),
        whisper_chat_id=bindparam("whisper_chat", type_=BigInteger),
        whisper_id=bindparam("whisper", type_=BigInteger),
    )
)
TELL_ONCE_MORE = (
    update(notices)
    .where(notices.c.id == bindparam("held"), notices.c.kind.in_(EDITED), notices.c.state != "dead")
    .values(
        wanted=notices.c.wanted + 1,
        state=case((notices.c.state == "told", "due"), else_=notices.c.state),
        due_at=case((notices.c.state == "told", NOW), else_=notices.c.due_at),
        owed_at=func.coalesce(notices.c.owed_at, NOW),
    )
)
