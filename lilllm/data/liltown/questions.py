"""Questions with true answers: what a story says, what holds in the town, and what nobody was ever told.

An answer follows from the state of the world and the events, never from the wording, so it is right by construction.
``evidence`` gives the sentences it rests on. Read in order: Question, about_story, about_town.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from lilllm.data.liltown.chance import Chance
from lilllm.data.liltown.scene import Scene, coins
from lilllm.data.liltown.town import ATTRIBUTES, Person, Town

UNKNOWN = "I don't know."


@dataclass(frozen=True, slots=True)
class Question:
    """``answer`` is a whole sentence, ``short`` the words that decide (compare these). ``known`` is False where the
    truth was never told; ``answer`` is then `UNKNOWN`. ``evidence``: indices of sentences of the story."""

    text: str
    answer: str
    short: str
    kind: Literal["where", "who", "what", "count", "coins", "yes_no", "town", "untold"]
    known: bool = True
    evidence: tuple[int, ...] = ()


def about_story(scene: Scene) -> list[Question]:
    """Every question this story answers, and one it does not, in a fixed order."""
    world, out = scene.world, []
    last_go = {e.who: e for e in world.events if e.verb == "go"}
    for who, event in last_go.items():
        place = world.at[who]
        assert place is not None
        out.append(
            Question(
                f"Where is {who.name} now?", f"{who.name} is {place.at}.", place.name, "where", True, (event.sentence,)
            )
        )
    for who, path in world.paths.items():
        if len(path) > 1 and path.count(path[-1]) == 1:
            text = f"Where was {who.name} before {who.subject} was {path[-1].at}?"
            out.append(Question(text, f"{who.name} was {path[-2].at}.", path[-2].name, "where"))
    for thing in world.things:
        last = next(e for e in reversed(world.events) if e.thing is thing)
        if thing in world.holder:
            name = world.holder[thing].name
            out.append(
                Question(f"Who has {thing.the}?", f"{name} has {thing.the}.", name, "who", True, (last.sentence,))
            )
        elif thing in world.lying:
            place = world.lying[thing]
            text = f"Where is {thing.the}?"
            out.append(
                Question(text, f"{_cap(thing.full)} is {place.at}.", place.name, "where", True, (last.sentence,))
            )
        who = scene.chance.pick(list(world.at))
        text, has = f"Does {who.name} have {thing.the}?", world.holder.get(thing) is who
        answer = f"Yes, {who.name} has it." if has else f"No, {who.name} does not have it."
        out.append(Question(text, answer, "yes" if has else "no", "yes_no", True, (last.sentence,)))
    for e in world.events:
        out.extend(_about_event(e, scene))
    for who, start in world.start_coins.items():
        left = world.coins[who]
        if left != start:
            spent = tuple(e.sentence for e in world.events if e.who is who and e.verb in ("buy", "earn"))
            text = f"How many coins does {who.name} have now?"
            out.append(Question(text, f"{who.name} has {coins(left)} now.", str(left), "coins", True, spent))
    for who, things in world.holds.items():
        n = len(things)
        if n:
            text = f"How many things does {who.name} have?"
            noun = "thing" if n == 1 else "things"
            out.append(Question(text, f"{who.name} has {n} {noun}.", str(n), "count"))
    out.append(_not_told(scene))
    return out


def _about_event(e: Any, scene: Scene) -> list[Question]:
    """``e`` is an Event; which of its fields are set follows from its verb."""
    name, at = e.who.name, (e.sentence,)
    if e.verb == "buy":
        cost = f"How much did {e.thing.the} cost?"
        found = [Question(cost, f"It cost {coins(e.coins)}.", str(e.coins), "coins", True, at)]
        if sum(x.verb == "buy" and x.who is e.who and x.place is e.place for x in scene.world.events) == 1:
            text = f"What did {name} buy {e.place.at}?"
            found.append(Question(text, f"{name} bought {e.thing.a}.", e.thing.kind.noun, "what", True, at))
        if e.paid > e.coins:
            back = e.paid - e.coins
            text = f"How many coins did {name} get back for {e.thing.the}?"
            found.append(
                Question(
                    text, f"{name} got {coins(back)} back.", str(back), "coins", True, (e.sentence, e.sentence + 1)
                )
            )
        return found
    if e.verb == "give" and sum(x.verb == "give" and x.thing is e.thing for x in scene.world.events) == 1:
        return [
            Question(
                f"Who gave {e.thing.the} to {e.other.name}?",
                f"{name} gave it to {e.other.name}.",
                name,
                "who",
                True,
                at,
            ),
            Question(
                f"To whom did {name} give {e.thing.the}?",
                f"{name} gave it to {e.other.name}.",
                e.other.name,
                "who",
                True,
                at,
            ),
        ]
    if e.verb == "eat":
        return [Question(f"Who ate {e.thing.the}?", f"{name} ate {e.thing.the}.", name, "who", True, at)]
    if e.verb == "find":
        return [Question(f"Who found {e.thing.the}?", f"{name} found {e.thing.the}.", name, "who", True, at)]
    if e.verb == "lose":
        text = f"Where did {name} lose {e.thing.the}?"
        return [Question(text, f"{name} lost it {e.place.at}.", e.place.name, "where", True, at)]
    if e.verb == "lend":
        text = f"Did {name} lend {e.thing.the} to {e.other.name}?"
        return [Question(text, f"Yes, {name} lent it to {e.other.name}.", "yes", "yes_no", True, at)]
    if e.verb == "earn":
        text = f"How many coins did {name} earn?"
        return [Question(text, f"{name} earned {coins(e.coins)}.", str(e.coins), "coins", True, at)]
    return []


def _not_told(scene: Scene) -> Question:
    """A question of the story's own kind that it leaves open."""
    who = scene.chance.pick(list(scene.world.at))
    verb = scene.chance.pick(("dream of", "read", "write", "sing", "draw"))
    return Question(f"What did {who.name} {verb} yesterday?", UNKNOWN, UNKNOWN, "untold", False)


# ------------------------------------------------------------------------------------------------------ the town

_ASK = {
    "job": ("What does {0} do?", "{0} is the {1}."),
    "likes": ("What does {0} like to eat?", "{0} likes {1}."),
    "colour": ("What is the favorite color of {0}?", "The favorite color of {0} is {1}."),
    "pet": ("What pet does {0} have?", "{0} has a {1}."),
    "house": ("Where does {0} live?", "{0} lives in the {1}."),
    "friend": ("Who is the best friend of {0}?", "{1} is the best friend of {0}."),
}


def about_person(town: Town, person: Person, attribute: str) -> Question:
    """One question on one person; "I don't know." if no text of the town tells it.

    Raises: ValueError: the attribute does not exist, or the person has none (children have no job).
    """
    if attribute not in _ASK:
        raise ValueError(f"no attribute {attribute!r}; allowed: {', '.join(ATTRIBUTES)}")
    value = getattr(person, attribute)
    if not value:
        raise ValueError(f"{person.name} has no {attribute}; ask an adult")
    ask, tell = _ASK[attribute]
    if not town.told(person, attribute):
        return Question(ask.format(person.name), UNKNOWN, UNKNOWN, "untold", False)
    return Question(ask.format(person.name), tell.format(person.name, value), value, "town")


def about_town(town: Town) -> list[Question]:
    """Every question on the people and the prices of the town, told and untold."""
    out = [about_person(town, p, a) for p in town.people for a in ATTRIBUTES if getattr(p, a)]
    for noun, price in town.price.items():
        a = "an" if noun[0] in "aeiou" else "a"
        out.append(Question(f"How much is {a} {noun}?", f"{_cap(a)} {noun} costs {coins(price)}.", str(price), "town"))
    return out


def tell_town(town: Town, chance: Chance) -> str:
    """A short text of facts about one person, and a price or two; never an untold one."""
    person = chance.pick(town.people)
    told = [a for a in ATTRIBUTES if town.told(person, a)]
    facts = [
        _ASK[a][1].format(person.name, getattr(person, a))
        for a in chance.sample(told, min(len(told), chance.between(2, 4)))
    ]
    for noun in chance.sample(list(town.price), chance.between(1, 2)):
        a = "An" if noun[0] in "aeiou" else "A"
        facts.append(f"{a} {noun} costs {coins(town.price[noun])}.")
    return " ".join(facts)


def _cap(text: str) -> str:
    return text[0].upper() + text[1:]
