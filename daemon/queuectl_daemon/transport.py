"""The Redis transport: shared lists that carry the messages of dispatched tasks between daemons.

Redis is disposable. A message is a task's id and fence; losing, doubling or replaying it is
harmless, because a daemon claims the task in the database before it runs. An epoch key tells when
Redis has lost its data. Commands are never repeated by the client: a repeated push would double
messages and a repeated pop would lose them.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from queuectl.clock import monotonic
from queuectl.domain.priority import QUEUES
from queuectl.settings import without_password
from queuectl.store.tasks import Message
from queuectl_daemon.invitation import Invitation, Rooms

logger = logging.getLogger("queuectl.daemon")

_TIMEOUT_SECONDS = 2.0
_IDLE_LOOK_SECONDS = 0.1
_PROBE_SECONDS = 0.5
_ARRIVAL_PAUSE_SECONDS = 0.005
_LIST_TTL_SECONDS = 3600
# The lists come in the order of their levels, and behind them the epoch key; the arguments are a time to live, each
# list's room and each list's new messages in one text. A list's room is what is left when the lists before it have
# been served, so that no more is popped in all than there is room for. Messages travel as one text each way, because a
# client takes its time over each element of an answer. What was popped is answered whatever else fails.
_EXCHANGE = """
local lists = #KEYS - 1
for place = 1, lists do
  local bodies = {}
  for body in string.gmatch(ARGV[1 + lists + place], '%S+') do bodies[#bodies + 1] = body end
  for first = 1, #bodies, 1000 do
    redis.call('RPUSH', KEYS[place], unpack(bodies, first, math.min(first + 999, #bodies)))
    redis.call('EXPIRE', KEYS[place], ARGV[1])
  end
end
local popped = {}
for place = 1, lists do
  local room = tonumber(ARGV[1 + place]) - #popped
  if room > 0 then
    for _, body in ipairs(redis.pcall('LPOP', KEYS[place], room) or {}) do popped[#popped + 1] = body end
  end
end
local answer = {#popped, table.concat(popped, '\\n'), redis.pcall('GET', KEYS[#KEYS])}
for place = 1, lists do answer[#answer + 1] = redis.pcall('LLEN', KEYS[place]) end
return answer
"""
_LARGEST_NUMBER = 2**63 - 1  # PostgreSQL refuses a whole statement for a larger one


class RedisTransport(threading.Thread):
    """One thread and one connection that push, pop and watch the epoch, in one round trip at a time.

    The callbacks are called from this thread: ``on_messages`` with (id, fence) pairs that were
    popped, ``on_lost`` when Redis has lost its data, ``on_switch`` with whether it answers.
    """

    def __init__(
        self,
        url: str,
        namespace: str,
        *,
        on_messages: Callable[[list[tuple[int, int]]], None],
        on_lost: Callable[[], None],
        on_switch: Callable[[bool], None],
    ) -> None:
        super().__init__(name="transport", daemon=True)
        self._shown = without_password(url)
        self._lists = {queue: f"{namespace}:{queue}" for queue in QUEUES}
        self._epoch_key = f"{namespace}:epoch"
        self._epoch: bytes | None = None
        self._on_messages = on_messages
        self._on_lost = on_lost
        self._on_switch = on_switch
        self._outgoing: deque[Message] = deque()
        self._invitation = Invitation()
        self._bell = threading.Event()
        self._stopping = False
        self._last_exchange = 0.0
        self.up = False
        self._is_reported = False
        self.listed: dict[str, int] = dict.fromkeys(QUEUES, 0)
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
            single_connection_client=False,
            max_connections=2,
        )
        # An address may ask for this, and every answer would then have another type.
        self._client.connection_pool.connection_kwargs["decode_responses"] = False

    def push(self, messages: Iterable[Message]) -> None:
        """Send messages with the next exchange."""
        for message in messages:
            self._outgoing.append(message)
            self.listed[message.queue] += 1
        if self._outgoing:
            self._bell.set()

    def invite(self, rooms: Rooms) -> None:
        """Say how many messages of each queue may be popped by the next exchange, in place of the last time."""
        self._invitation.renew(rooms)
        if self._invitation:
            self._bell.set()

    def withdraw(self) -> bool:
        """Take the invitation back; return False if an exchange makes use of it at this moment."""
        return self._invitation.withdraw()

    def end_popping(self) -> None:
        """Pop nothing more, and return when what an exchange may pop at this moment has arrived."""
        self._invitation.close()
        deadline = monotonic() + _TIMEOUT_SECONDS
        while not self.withdraw() and monotonic() < deadline:
            threading.Event().wait(_ARRIVAL_PAUSE_SECONDS)

    def connect(self) -> bool:
        """Try one exchange now, before the thread runs; return whether Redis answers."""
        self._attempt()
        return self.up

    def run(self) -> None:
        """Exchange messages until stopped."""
        while not self._stopping:
            self._bell.wait(_IDLE_LOOK_SECONDS if self.up else _PROBE_SECONDS)
            self._bell.clear()
            if self._is_due():
                self._attempt()

    def stop(self) -> None:
        """End the thread; messages that were not sent stay dispatched in the database."""
        self._stopping = True
        self._bell.set()
        if self.is_alive():
            self.join(_TIMEOUT_SECONDS * 2)
        self._client.close()

    def _is_due(self) -> bool:
        if self._stopping:
            return False
        if self._outgoing or self._invitation:
            return True
        return monotonic() - self._last_exchange >= _IDLE_LOOK_SECONDS

    def _attempt(self) -> None:
        try:
            self._check_epoch(self._exchange())
        except Exception as error:  # noqa: BLE001  whatever it is, work goes on without Redis
            self._went_down(error)
        else:
            self._came_up()

    def _exchange(self) -> bytes | None:
        """Push what waits, pop what there is room for, and return the epoch that Redis has."""
        self._last_exchange = monotonic()
        rooms, outgoing = self._invitation.use(), self._outgoing_by_list()
        answer: Any = self._client.eval(
            _EXCHANGE,
            len(QUEUES) + 1,
            *self._lists.values(),
            self._epoch_key,
            _LIST_TTL_SECONDS,
            *(max(0, rooms.get(queue, 0)) for queue in self._lists),
            *(" ".join(outgoing.get(queue, ())) for queue in self._lists),
        )
        popped, bodies, epoch, *listed = answer
        if popped:
            # Before anything can fail, since they are in no list any more; and also when all of it was
            # garbage, because the answer is an invitation to pop what stands behind it.
            self._on_messages([pair for pair in map(_decoded, bodies.split(b"\n")) if pair is not None])
        self._invitation.used({} if popped else rooms)
        for each in (epoch, *listed):
            if isinstance(each, Exception):
                raise each
        self.listed = dict(zip(self._lists, listed, strict=True))
        return None if epoch is None else bytes(epoch)

    def _outgoing_by_list(self) -> dict[str, list[str]]:
        bodies: dict[str, list[str]] = {}
        while self._outgoing:
            message = self._outgoing.popleft()
            bodies.setdefault(message.queue, []).append(f"{message.id}.{message.fence}")
        return bodies

    def _check_epoch(self, present: bytes | None) -> None:
        if present is None:
            self._client.set(self._epoch_key, secrets.token_hex(8), nx=True)
            answer: Any = self._client.get(self._epoch_key)
            present = answer
        elif present == self._epoch:
            return
        first = self._epoch is None
        self._epoch = present
        if not first:
            logger.warning(
                "Redis lost its data; what this node dispatched goes out again",
                extra={"action": "redis_lost"},
            )
            self._on_lost()

    def _went_down(self, error: BaseException) -> None:
        self._invitation.used({})
        self._client.close()
        self._outgoing.clear()
        self.listed = dict.fromkeys(QUEUES, 0)
        if self.up or not self._is_reported:
            self._is_reported = True
            logger.error(
                "Redis at %s does not answer (%s); work goes on without it",
                self._shown,
                " ".join(str(error).split())[:200],
                extra={"action": "redis_down"},
            )
        self.up = False
        self._on_switch(False)

    def _came_up(self) -> None:
        if not self.up:
            logger.info("Redis at %s answers", self._shown, extra={"action": "redis_up"})
            self.up = True
            self._on_switch(True)


def _decoded(body: bytes) -> tuple[int, int] | None:
    """Return (id, fence) from a message's body; nothing for what queuectl never wrote."""
    task, dot, fence = body.partition(b".")
    if not dot or not task.isdigit() or not fence.isdigit() or len(body) > 40:
        return None
    pair = int(task), int(fence)
    return pair if max(pair) <= _LARGEST_NUMBER else None
