"""The town: its people, places, things and prices, and what is never told of them.

What holds for every town stands here as tables; what differs from seed to seed (who does which job, who likes what,
what bread costs) is drawn once by `make_town`. Read in order: Place, Kind, Person, Town, make_town.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lilllm.data.liltown.chance import Chance


@dataclass(frozen=True, slots=True)
class Place:
    """``at``: how one says that somebody is there; ``job``: who works there, if anyone."""

    name: str
    at: str
    job: str = ""

    @property
    def to(self) -> str:
        return f"to {self.name}"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing: its noun, who sells it, its usual price in coins, whether one eats it."""

    noun: str
    sold_by: str
    price: int
    food: bool = False


@dataclass(eq=False, slots=True)
class Person:
    name: str
    she: bool
    child: bool
    job: str = ""
    likes: str = ""
    colour: str = ""
    pet: str = ""
    house: str = ""
    friend: str = ""

    @property
    def subject(self) -> str:
        return "she" if self.she else "he"

    @property
    def object(self) -> str:
        return "her" if self.she else "him"

    @property
    def possessive(self) -> str:
        return "her" if self.she else "his"


SHE = ["Anna", "Clara", "Ella", "Grace", "Ida", "Kate", "Mia", "Nina", "Olga", "Rosa", "Tess", "Wendy"]
HE = ["Ben", "Dan", "Finn", "Hugo", "Jack", "Leo", "Max", "Noah", "Otto", "Paul", "Sam", "Victor"]
CHILDREN = frozenset(["Ella", "Ida", "Mia", "Tess", "Ben", "Finn", "Leo", "Max"])

PLACES = (
    Place("the bakery", "at the bakery", "baker"),
    Place("the farm", "on the farm", "farmer"),
    Place("the harbor", "at the harbor", "fisher"),
    Place("the smithy", "at the smithy", "smith"),
    Place("the workshop", "in the workshop", "carpenter"),
    Place("the tailor's shop", "in the tailor's shop", "tailor"),
    Place("the inn", "at the inn", "cook"),
    Place("the garden", "in the garden", "gardener"),
    Place("the school", "at the school", "teacher"),
    Place("the library", "in the library", "librarian"),
    Place("the mill", "at the mill", "miller"),
    Place("the post office", "at the post office", "mail carrier"),
    Place("the clinic", "at the clinic", "doctor"),
    Place("the studio", "in the studio", "painter"),
    Place("the station", "at the station", "guard"),
    Place("the theater", "at the theater", "singer"),
    Place("the park", "in the park"),
    Place("the forest", "in the forest"),
    Place("the hill", "on the hill"),
    Place("the lake", "by the lake"),
    Place("the bridge", "on the bridge"),
    Place("the square", "in the square"),
    Place("the beach", "on the beach"),
    Place("the old tower", "at the old tower"),
)
WORKPLACE = {place.job: place for place in PLACES if place.job}
JOBS = tuple(WORKPLACE)

KINDS = (
    Kind("loaf of bread", "baker", 3, True),
    Kind("cake", "baker", 8, True),
    Kind("pie", "baker", 6, True),
    Kind("bun", "baker", 2, True),
    Kind("apple", "farmer", 1, True),
    Kind("pear", "farmer", 2, True),
    Kind("pumpkin", "farmer", 5, True),
    Kind("egg", "farmer", 1, True),
    Kind("piece of cheese", "farmer", 4, True),
    Kind("fish", "fisher", 5, True),
    Kind("rope", "fisher", 7),
    Kind("net", "fisher", 12),
    Kind("shell", "fisher", 2),
    Kind("lamp", "smith", 14),
    Kind("bell", "smith", 9),
    Kind("key", "smith", 4),
    Kind("pot", "smith", 11),
    Kind("spoon", "smith", 3),
    Kind("kite", "carpenter", 9),
    Kind("drum", "carpenter", 13),
    Kind("chair", "carpenter", 16),
    Kind("box", "carpenter", 6),
    Kind("ball", "carpenter", 4),
    Kind("toy boat", "carpenter", 8),
    Kind("ladder", "carpenter", 18),
    Kind("coat", "tailor", 19),
    Kind("hat", "tailor", 10),
    Kind("scarf", "tailor", 7),
    Kind("blanket", "tailor", 15),
    Kind("ribbon", "tailor", 2),
    Kind("bowl of soup", "cook", 4, True),
    Kind("sandwich", "cook", 3, True),
    Kind("pancake", "cook", 2, True),
    Kind("rose", "gardener", 2),
    Kind("basket", "gardener", 6),
    Kind("plant", "gardener", 5),
    Kind("book", "librarian", 12),
    Kind("map", "librarian", 8),
    Kind("notebook", "librarian", 3),
    Kind("sack of flour", "miller", 6),
    Kind("stamp", "mail carrier", 1),
    Kind("postcard", "mail carrier", 2),
    Kind("brush", "painter", 5),
    Kind("picture", "painter", 17),
    Kind("ticket", "guard", 6),
    Kind("whistle", "guard", 3),
    Kind("flute", "singer", 15),
    Kind("mask", "singer", 7),
)
COLOURS = ["red", "blue", "green", "yellow", "white", "black", "brown", "orange", "purple", "silver"]
LOOKS = (
    *COLOURS,
    "small",
    "big",
    "old",
    "new",
    "pretty",
    "light",
    "heavy",
    "shiny",
    "strange",
    "simple",
    "lovely",
    "plain",
    "painted",
    "tiny",
    "large",
    "famous",
    "wonderful",
    "old-fashioned",
    "broken",
    "borrowed",
)
LIKES = [
    *("apples", "pears", "cake", "soup", "fish", "cheese"),
    *("pancakes", "honey", "bread", "pumpkins", "nuts", "berries"),
]
PETS = ["cat", "dog", "rabbit", "parrot", "goat", "duck", "hen", "turtle", "mouse", "pony"]
HOUSES = tuple(f"{colour} house" for colour in ("red", "blue", "green", "yellow", "white", "brown"))

ATTRIBUTES = ("job", "likes", "colour", "pet", "house", "friend")


@dataclass(frozen=True)
class Town:
    """``price`` in coins by noun; ``untold``: pairs of name and attribute that no text of this town ever tells."""

    seed: int
    people: tuple[Person, ...]
    price: dict[str, int]
    untold: frozenset[tuple[str, str]]
    by_job: dict[str, tuple[Person, ...]] = field(repr=False)

    def person(self, name: str) -> Person:
        for person in self.people:
            if person.name == name:
                return person
        raise ValueError(f"nobody in LilTown is called {name!r}; there are {', '.join(p.name for p in self.people)}")

    def told(self, person: Person, attribute: str) -> bool:
        """Whether texts of this town may tell ``attribute`` of ``person``."""
        return bool(getattr(person, attribute)) and (person.name, attribute) not in self.untold


def make_town(seed: int) -> Town:
    """Draw a town. Jobs are given to adults so that each of the 16 has somebody; a quarter of the other attributes
    stays untold."""
    chance = Chance(seed, 0)
    people = [Person(name, name in SHE, name in CHILDREN) for name in sorted([*SHE, *HE])]
    adults = [p for p in people if not p.child]
    for person, job in zip(adults, chance.sample(JOBS, len(adults)), strict=True):
        person.job = job
    for person in people:
        person.likes = chance.pick(LIKES)
        person.colour = chance.pick(COLOURS)
        person.pet = chance.pick(PETS)
        person.house = chance.pick(HOUSES)
        person.friend = chance.pick([p.name for p in people if p is not person])
    price = {kind.noun: max(1, kind.price + chance.between(-1, 2)) for kind in KINDS}
    pairs = [(p.name, a) for p in people for a in ATTRIBUTES if a != "job"]
    untold = frozenset(chance.sample(pairs, len(pairs) // 4))
    by_job = {job: tuple(p for p in people if p.job == job) for job in JOBS}
    return Town(seed, tuple(people), price, untold, by_job)
