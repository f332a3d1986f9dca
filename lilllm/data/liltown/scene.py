"""What people in a story can do: each deed changes the world and is told, in one of several ways.

A plot (plots.py) is a sequence of these. Read `Scene.walk` first: the others are alike.
"""

from __future__ import annotations

from lilllm.data.liltown.chance import Chance
from lilllm.data.liltown.details import DETAILS
from lilllm.data.liltown.tell import Teller
from lilllm.data.liltown.town import KINDS, LOOKS, PLACES, WORKPLACE, Kind, Person, Place, Town
from lilllm.data.liltown.world import Thing, World

_TIMES = (
    "One morning,",
    "One day,",
    "One afternoon,",
    "On Monday,",
    "On Sunday,",
    "In the evening,",
    "On a rainy day,",
    "On a sunny day,",
    "On a cold day,",
    "At noon,",
    "On Tuesday,",
    "On Friday,",
    "In spring,",
    "In summer,",
    "In autumn,",
    "In winter,",
    "After breakfast,",
    "Before dinner,",
    "On a windy day,",
    "On a foggy day,",
    "Early one morning,",
    "Late one evening,",
)
_WALKED = ("went to {}", "walked to {}", "ran to {}", "came to {}", "hurried to {}", "rode to {}")
_GAVE = ("gave {thing} to {to}", "handed {thing} to {to}", "gave {to} {thing}")
_ATE = ("ate {}", "sat down to eat {}", "ate all of {}")
_PUT = ("put {thing} down {at}", "left {thing} {at}")
_FOUND = ("found {}", "saw {} there and picked it up")
_THANKS = (
    "Thank you!",
    "Thank you very much.",
    "How kind of you!",
    "I will not forget this.",
    "You are a true friend.",
)
_DELIGHT = ("That is just what I wanted.", "What a wonderful gift!", "I have wished for one all year.", *_THANKS)
_FEELINGS = (
    "happy",
    "glad",
    "tired",
    "proud",
    "calm",
    "cheerful",
    "pleased",
    "in a good mood",
    "very content",
    "full of joy",
    "ready for bed",
    "a little sleepy",
)
GOODS = tuple(k for k in KINDS if not k.food)
FOODS = tuple(k for k in KINDS if k.food)
OPEN_PLACES = tuple(p for p in PLACES if not p.job)


def coins(n: int) -> str:
    return "1 coin" if n == 1 else f"{n} coins"


class Scene:
    """A story being made: its world, its teller, and the chance that both are drawn from."""

    __slots__ = ("chance", "told", "town", "used", "world")

    def __init__(self, town: Town, cast: list[Person], chance: Chance) -> None:
        self.town, self.chance = town, chance
        self.world, self.told = World(cast), Teller(chance)
        self.used: set[str] = set()

    # ------------------------------------------------------------------------------------------ things and places

    def thing(self, kinds: tuple[Kind, ...]) -> Thing:
        """A thing of one of ``kinds``; no story has two of one noun."""
        kind = self.chance.pick([k for k in kinds if k.noun not in self.used])
        self.used.add(kind.noun)
        plain = kind.food or self.chance.maybe(0.2)
        return Thing(kind, "" if plain else self.chance.pick(LOOKS))

    def elsewhere(self, who: Person, among: tuple[Place, ...] = PLACES) -> Place:
        return self.chance.pick([p for p in among if p is not self.world.at[who]])

    # ------------------------------------------------------------------------------------------------------ deeds

    def open(self, who: Person, place: Place) -> None:
        """ "One morning, Anna was at the mill." """
        self.told.line(f"{self.chance.pick(_TIMES)} {who.name} was {place.at}.", about=who)
        self.world.go(who, place, len(self.told.sentences) - 1)
        self.look(who)

    def also_there(self, who: Person, place: Place) -> None:
        how = self.chance.pick(("{} was there too.", "{} was also there.", "{} came along."))
        self.told.line(how.format(who.name), about=who)
        self.world.go(who, place, len(self.told.sentences) - 1)

    def purse(self, who: Person, low: int = 12, high: int = 40) -> None:
        n = self.chance.between(low, high)
        self.told.clause(who, f"had {coins(n)}", start=True)
        self.world.purse(who, n)

    def look(self, who: Person) -> None:
        """Sometimes, a word on what one sees there."""
        place = self.world.at[who]
        if place is not None and self.chance.maybe(0.3):
            self.told.line(self.chance.pick(DETAILS[place.name]))

    def has(self, who: Person, thing: Thing) -> None:
        at = self.told.clause(who, f"had {self.told.thing(thing)}", start=True)
        self.world.take(who, thing, "get", at)

    def walk(self, who: Person, place: Place) -> None:
        if self.world.at[who] is not place:
            at = self.told.clause(who, self.chance.pick(_WALKED).format(place.name))
            self.world.go(who, place, at)
            if not place.job:
                self.look(who)

    def shop(self, who: Person, thing: Thing) -> bool:
        """Go where ``thing`` is sold and buy it; False, and told, if the purse is too small."""
        job = thing.kind.sold_by
        self.walk(who, WORKPLACE[job])
        price = self.town.price[thing.kind.noun]
        have = self.world.coins.get(who)
        if have is not None and have < price:
            what = self.told.thing(thing)
            self.told.clause(who, f"wanted to buy {what}", start=True)
            self.told.line(f"It cost {coins(price)}, and {who.name} had only {coins(have)}.", about=who)
            return False
        seller = next((p for p in self.town.by_job[job] if p is not who), None)
        paid = price
        if self.chance.maybe(0.35):  # a bigger coin, and change
            bigger = [n for n in (5, 10, 20, 50) if n > price and (have is None or n <= have)]
            if bigger:
                paid = bigger[0]
        what = self.told.thing(thing)
        if paid > price:
            at = self.told.clause(who, f"bought {what} for {coins(price)}")
            self.told.clause(who, f"paid with {coins(paid)} and got {coins(paid - price)} back", start=True)
        else:
            way = self.chance.pick(("bought {thing} for {coins}", "paid {coins} for {thing}"))
            at = self.told.clause(who, way.format(thing=what, coins=coins(price)))
        self.world.buy(who, thing, price, paid, seller, at)
        return True

    def hand(self, who: Person, thing: Thing, to: Person, *, verb: str = "give") -> None:
        what = self.told.thing(thing)
        if verb == "lend":
            at = self.told.clause(who, f"lent {what} to {to.name}", others=(to,))
        elif verb == "return":
            at = self.told.clause(who, f"gave {what} back to {to.name}", others=(to,))
        else:
            way = self.chance.pick(_GAVE)
            at = self.told.clause(who, way.format(thing=what, to=to.name), others=(to,))
        self.world.give(who, thing, to, at, verb=verb)

    def meet(self, who: Person, other: Person) -> None:
        """``who`` goes where ``other`` is."""
        place = self.world.at[other]
        assert place is not None
        if self.world.at[who] is place:
            return
        at = self.told.clause(who, f"went to {place.name} and met {other.name} there", others=(other,))
        self.world.go(who, place, at)

    def eat(self, who: Person, thing: Thing) -> None:
        at = self.told.clause(who, self.chance.pick(_ATE).format(self.told.thing(thing)))
        self.world.eat(who, thing, at)

    def put(self, who: Person, thing: Thing) -> None:
        place = self.world.at[who]
        assert place is not None
        at = self.told.clause(who, self.chance.pick(_PUT).format(thing=self.told.thing(thing), at=place.at))
        self.world.leave(who, thing, place, at)

    def lose(self, who: Person, thing: Thing) -> None:
        place = self.world.at[who]
        assert place is not None
        at = self.told.clause(who, f"lost {self.told.thing(thing)} {place.at}", start=True)
        self.world.leave(who, thing, place, at, verb="lose")

    def find(self, who: Person, thing: Thing, verb: str = "find") -> None:
        way = self.chance.pick(_FOUND)
        at = self.told.clause(who, way.format(self.told.thing(thing)))
        self.world.take(who, thing, verb, at)

    def make(self, who: Person, thing: Thing) -> None:
        at = self.told.clause(who, f"made {self.told.thing(thing)}")
        self.world.take(who, thing, "make", at)

    def earn(self, who: Person, n: int) -> None:
        way = self.chance.pick(
            ("worked until noon and earned {}", "worked all day and earned {}", "earned {} for the work")
        )
        at = self.told.clause(who, way.format(coins(n)))
        self.world.earn(who, n, at)

    # --------------------------------------------------------------------------------------------------- colour

    def thank(self, who: Person, to: Person, *, gift: bool = False) -> None:
        words = self.chance.pick(_DELIGHT if gift else _THANKS)
        self.told.say(who, words, to=to if self.chance.maybe(0.5) else None)

    def feel(self, who: Person) -> None:
        self.told.clause(who, f"was {self.chance.pick(_FEELINGS)}", start=True)
