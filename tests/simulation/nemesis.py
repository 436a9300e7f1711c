"""Who harms the nodes: kills, halts, cuts off, stops and starts them, empties Redis, and moves their clocks."""

from __future__ import annotations

from tests.simulation.node import Node
from tests.simulation.site import LEASE_SECONDS, Site
from tests.simulation.world import Action, Actor

_KINDS = ("kill", "kill", "stop", "halt", "halt", "cut", "flush", "clock", "down", "suspend")

_HALTS, _LONG_HALTS, _CUTS = (0.3, 3.0, 11.0, 33.0), (3.0, 31.0, 33.0, 36.0), (0.3, 3.0, 7.0, 9.0, 14.0)


class Nemesis:
    """Acts from time to time until it is told to leave off; nodes that end are started again, sooner or later."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._chance = site.weather.stream("nemesis")
        self._actor = Actor("nemesis", "nemesis")
        self._ends: list[Action] = []
        self._halted: dict[str, int] = {}  # since when
        self._lockless: set[str] = set()  # whose lock was lost while they were halted
        self._gap = 6.0 if site.duel else self._chance.choice([1.5, 4.0, 12.0])
        for home in range(site.homes):
            self._start(home)
        self._later(self._chance.uniform(0.5, self._gap), self._act)
        self._later(1.0, self._care)

    def leave_off(self) -> None:
        """Lose the next message of each list, as the last thing that goes wrong, and end everything else that does."""
        if self._site.lists is not None and self._site.weather.allows("list_lost"):
            for waiting in self._site.lists.lists.values():
                del waiting[:1]
        self._site.weather.calm = True
        for end in list(self._ends):
            end()

    def _later(self, seconds: float, action: Action) -> None:
        self._site.world.after(seconds, self._actor, action)

    def _lasts(self, seconds: float, end: Action) -> None:
        """Let something go wrong for a while, or until all does."""

        def once() -> None:
            if once in self._ends:
                self._ends.remove(once)
                end()

        self._ends.append(once)
        self._later(seconds, once)

    def _start(self, home: int) -> None:
        if home not in self._site.nodes:
            self._site.nodes[home] = Node(self._site, home)

    def _care(self) -> None:
        """Start what does not run: at the next look, or at one of those after it."""
        for home in range(self._site.homes):
            if self._site.weather.calm or self._chance.random() < 0.5:
                self._start(home)
        self._later(1.0, self._care)

    def _act(self) -> None:
        if self._site.weather.calm:
            return
        self._later(self._chance.uniform(0.2, 1.8) * self._gap, self._act)
        kind = self._chance.choice(("halt", "cut", "cut", "kill", "clock") if self._site.duel else _KINDS)
        if (kind == "clock" and not self._site.clocks_move) or not self._site.weather.allows(kind):
            return
        home = self._chance.randrange(self._site.homes)
        node = self._site.nodes.get(home)
        self._site.world.tell(f"{kind} {node.id if node else home}")
        if kind == "flush" and self._site.lists is not None:
            self._flush()
        elif kind == "clock":
            self._site.step_clock(home, self._chance.choice([0, 60_000, -60_000, 5_000, -700]))
        elif kind == "down":
            self._down()
        elif kind == "suspend":
            self._suspend()
        elif node is not None:
            self._harm(kind, node)

    def _harm(self, kind: str, node: Node) -> None:
        match kind:
            case "kill":
                node.kill()
            case "stop":
                node.stop()
            case "halt":
                self._halt(node)
            case _:
                self._cut(node)

    def _halt(self, node: Node) -> None:
        """Stop a process where it is; beyond its lease, another node takes its tasks."""
        world, since = self._site.world, self._site.world.now
        since = self._halted.setdefault(node.id, since)
        silence = self._site.silence_left(node.id)
        world.halt(node.id)

        def thaw() -> None:
            if node.alive:
                world.thaw(node.id)
                lost = node.id in self._lockless
                self._site.was_away(node.id, since, silence if lost else LEASE_SECONDS)
            self._halted.pop(node.id, None)
            self._lockless.discard(node.id)

        self._lasts(self._chance.choice(_LONG_HALTS if self._site.duel else _HALTS), thaw)

    def _cut(self, node: Node) -> None:
        """Cut a node off from the database; the server may notice, and frees its lock then."""
        since = self._halted.get(node.id, self._site.world.now)
        silence = self._site.silence_left(node.id)
        node.database.cut = True
        if self._chance.random() < 0.6:
            self._lose_lock(node)

        def heal() -> None:
            node.database.cut = False
            self._lose_lock(node)
            self._site.was_away(node.id, since, silence)

        self._lasts(self._chance.choice(_CUTS), heal)

    def _lose_lock(self, node: Node) -> None:
        self._site.locks.lose(node.id)
        if node.id in self._halted:
            self._lockless.add(node.id)

    def _suspend(self) -> None:
        """Let every machine sleep: time goes on, and nothing else."""
        world, since = self._site.world, self._site.world.now
        world.now += self._chance.choice([2, 40, 100, 400]) * 1_000_000_000
        self._site.slept_until = world.now
        for node in self._site.nodes.values():
            self._site.was_away(node.id, since, LEASE_SECONDS)

    def _flush(self) -> None:
        lists = self._site.lists
        assert lists is not None
        lists.flush()
        if self._chance.random() < 0.4:
            lists.down = True
            self._lasts(self._chance.choice([0.5, 4.0]), self._raise_lists)

    def _raise_lists(self) -> None:
        if self._site.lists is not None:
            self._site.lists.down = False

    def _down(self) -> None:
        """Take the database away from everybody, as its restart does; all sessions end."""
        self._site.down = True
        for node in self._site.nodes.values():
            self._lose_lock(node)

        def back() -> None:
            self._site.down = False

        self._lasts(self._chance.choice([0.5, 4.0, 12.0]), back)
