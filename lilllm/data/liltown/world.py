"""What is true in a story: who is where, who holds what, who has how many coins, and everything that happened.

The world refuses what cannot happen (giving what one does not hold, paying what one does not have): a plot that tries
is a defect of ours, so these are asserts. `Event` is the record that questions are answered from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from lilllm.data.liltown.town import Kind, Person, Place


@dataclass(eq=False, slots=True)
class Thing:
    """One thing of a story. ``look`` is its adjective; a story has no two things of the same noun, so "the kite" is
    clear."""

    kind: Kind
    look: str
    known: bool = False

    @property
    def a(self) -> str:
        words = f"{self.look} {self.kind.noun}" if self.look else self.kind.noun
        return ("an " if words[0] in "aeiou" else "a ") + words

    @property
    def the(self) -> str:
        return f"the {self.kind.noun}"

    @property
    def full(self) -> str:
        return f"the {self.look} {self.kind.noun}" if self.look else f"the {self.kind.noun}"


class Event(NamedTuple):
    """``verb``: go, buy, give, get, put, find, lose, eat, earn, make, lend, pay. ``coins``: the price or the wage;
    ``paid`` what was handed over; ``sentence`` the index of the sentence that tells it."""

    verb: str
    who: Person
    thing: Thing | None = None
    other: Person | None = None
    place: Place | None = None
    coins: int = 0
    paid: int = 0
    sentence: int = 0


class World:
    """The state of one story; only people of its cast have one."""

    __slots__ = ("at", "coins", "events", "holder", "holds", "lying", "paths", "start_coins", "things")

    def __init__(self, cast: list[Person]) -> None:
        self.at: dict[Person, Place | None] = dict.fromkeys(cast)
        self.paths: dict[Person, list[Place]] = {p: [] for p in cast}
        self.holds: dict[Person, list[Thing]] = {p: [] for p in cast}
        self.holder: dict[Thing, Person] = {}
        self.lying: dict[Thing, Place] = {}
        self.coins: dict[Person, int] = {}  # only of those whose purse the story tells
        self.start_coins: dict[Person, int] = {}
        self.things: list[Thing] = []
        self.events: list[Event] = []

    def purse(self, who: Person, coins: int) -> None:
        self.coins[who] = self.start_coins[who] = coins

    def go(self, who: Person, place: Place, sentence: int) -> None:
        assert self.at[who] is not place, f"{who.name} is at {place.name} already"
        self.at[who] = place
        self.paths[who].append(place)
        self.events.append(Event("go", who, place=place, sentence=sentence))

    def take(self, who: Person, thing: Thing, verb: str, sentence: int, **more: Any) -> None:
        """``thing`` comes into the hands of ``who``: verb is get, find, make, buy or earn."""
        assert thing not in self.holder, f"{thing.the} is held by {self.holder.get(thing)}"
        self.lying.pop(thing, None)
        if thing not in self.things:
            self.things.append(thing)
        self.holder[thing] = who
        self.holds[who].append(thing)
        self.events.append(Event(verb, who, thing, place=self.at[who], sentence=sentence, **more))

    def buy(self, who: Person, thing: Thing, price: int, paid: int, seller: Person | None, sentence: int) -> None:
        assert paid >= price
        if who in self.coins:
            assert self.coins[who] >= paid, f"{who.name} has {self.coins[who]} coins, not {paid}"
            self.coins[who] -= price
        self.take(who, thing, "buy", sentence, other=seller, coins=price, paid=paid)

    def give(self, who: Person, thing: Thing, to: Person, sentence: int, *, verb: str = "give") -> None:
        assert self.holder[thing] is who, f"{who.name} does not hold {thing.the}"
        self.holds[who].remove(thing)
        self.holds[to].append(thing)
        self.holder[thing] = to
        self.events.append(Event(verb, who, thing, other=to, place=self.at[who], sentence=sentence))

    def leave(self, who: Person, thing: Thing, place: Place, sentence: int, *, verb: str = "put") -> None:
        """``thing`` is put down or lost at ``place``."""
        assert self.holder[thing] is who, f"{who.name} does not hold {thing.the}"
        self.holds[who].remove(thing)
        del self.holder[thing]
        self.lying[thing] = place
        self.events.append(Event(verb, who, thing, place=place, sentence=sentence))

    def eat(self, who: Person, thing: Thing, sentence: int) -> None:
        assert self.holder[thing] is who
        assert thing.kind.food
        self.holds[who].remove(thing)
        del self.holder[thing]
        self.events.append(Event("eat", who, thing, place=self.at[who], sentence=sentence))

    def earn(self, who: Person, coins: int, sentence: int, *, payer: Person | None = None) -> None:
        if who in self.coins:
            self.coins[who] += coins
        self.events.append(Event("earn", who, other=payer, place=self.at[who], coins=coins, sentence=sentence))
