"""The plots: what a story is about. Each is a function from a scene and its cast to nothing; it tells and changes the
scene.

Every plot leaves a world about which questions can be asked: a thing changed hands, somebody moved, coins were spent.
"""

from __future__ import annotations

from collections.abc import Callable

from lilllm.data.liltown.scene import FOODS, GOODS, OPEN_PLACES, Scene
from lilllm.data.liltown.town import PLACES, WORKPLACE, Person

Plot = Callable[[Scene, list[Person]], None]


def errand(s: Scene, cast: list[Person]) -> None:
    """One needs a thing, another buys and brings it."""
    asker, helper = cast[0], cast[1]
    thing = s.thing(GOODS + FOODS)
    place = s.elsewhere(asker)
    s.open(asker, place)
    s.also_there(helper, place)
    s.told.say(asker, f"I need {thing.a}.")
    s.told.say(
        helper, s.chance.pick(("I can get it for you.", "I will buy one for you.", "Let me go and get it.")), to=asker
    )
    if s.chance.maybe(0.6):
        s.purse(helper, 10, 40)
    if not s.shop(helper, thing):
        s.walk(helper, place)
        s.told.say(helper, "I am sorry. I could not pay for it.", to=asker)
        return
    if s.chance.maybe(0.4):
        s.walk(asker, s.elsewhere(asker, OPEN_PLACES))
    s.meet(helper, asker)
    s.hand(helper, thing, asker)
    s.thank(asker, helper)
    if thing.kind.food and s.chance.maybe(0.5):
        s.eat(asker, thing)
    else:
        s.feel(asker)


def lost(s: Scene, cast: list[Person]) -> None:
    """One loses a thing, another finds it, and gives it back or keeps it for now."""
    owner, finder = cast[0], cast[1]
    thing = s.thing(GOODS)
    s.open(owner, s.elsewhere(owner))
    s.has(owner, thing)
    where = s.elsewhere(owner, OPEN_PLACES)
    s.walk(owner, where)
    s.lose(owner, thing)
    s.walk(owner, s.elsewhere(owner))
    s.told.say(owner, f"Where is my {thing.kind.noun}?")
    s.walk(finder, where)
    s.find(finder, thing)
    if s.chance.maybe(0.7):
        s.meet(finder, owner)
        s.hand(finder, thing, owner, verb="return")
        s.thank(owner, finder)
    else:
        s.told.clause(finder, "did not know whose it was", start=True)
        s.walk(finder, s.elsewhere(finder))


def workday(s: Scene, cast: list[Person]) -> None:
    """One works, earns, and spends."""
    worker = next((p for p in cast if p.job), None)
    if worker is None:
        return outing(s, cast)
    s.open(worker, WORKPLACE[worker.job])
    s.told.line(f"{worker.name} is the {worker.job}.", about=worker)
    s.purse(worker, 2, 12)
    s.earn(worker, s.chance.between(3, 20))
    first = s.thing(GOODS + FOODS)
    if s.shop(worker, first):
        if first.kind.food:
            s.eat(worker, first)
        elif s.chance.maybe(0.5):
            other = next(p for p in cast if p is not worker)
            s.walk(other, s.elsewhere(other, OPEN_PLACES))
            s.meet(worker, other)
            s.hand(worker, first, other)
            s.thank(other, worker)
    if s.chance.maybe(0.5):
        s.shop(worker, s.thing(FOODS))
    s.feel(worker)


def loan(s: Scene, cast: list[Person]) -> None:
    """One lends a thing to another, who may give it back, or pass it on."""
    owner, friend = cast[0], cast[1]
    thing = s.thing(GOODS)
    place = s.elsewhere(owner)
    s.open(owner, place)
    s.has(owner, thing)
    s.also_there(friend, place)
    s.told.say(friend, f"May I have your {thing.kind.noun} for a day?", to=owner)
    if s.chance.maybe(0.2):
        s.told.say(owner, "I am sorry. I need it today.")
        s.walk(owner, s.elsewhere(owner))
        return
    s.told.say(owner, s.chance.pick(("Yes, of course.", "Yes, but bring it back.", "You may have it.")))
    s.hand(owner, thing, friend, verb="lend")
    s.walk(friend, s.elsewhere(friend, OPEN_PLACES))
    if len(cast) > 2 and s.chance.maybe(0.3):
        s.meet(cast[2], friend)
        s.hand(friend, thing, cast[2])
        s.thank(cast[2], friend)
        return
    if s.chance.maybe(0.6):
        s.meet(friend, owner)
        s.hand(friend, thing, owner, verb="return")
        s.thank(friend, owner)
    else:
        s.put(friend, thing)
        s.walk(friend, s.elsewhere(friend))


def outing(s: Scene, cast: list[Person]) -> None:
    """Some go out together; food is shared and things are put down and picked up."""
    place = s.elsewhere(cast[0], OPEN_PLACES)
    s.open(cast[0], place)
    food, toy = s.thing(FOODS), s.thing(GOODS)
    s.has(cast[0], food)
    s.also_there(cast[1], place)
    s.has(cast[1], toy)
    if s.chance.maybe(0.5):
        s.hand(cast[0], food, cast[1])
        s.thank(cast[1], cast[0])
        s.eat(cast[1], food)
    else:
        s.eat(cast[0], food)
    s.put(cast[1], toy)
    s.walk(cast[1], s.elsewhere(cast[1]))
    if len(cast) > 2 and s.chance.maybe(0.6):
        s.walk(cast[2], place)
        s.find(cast[2], toy, "get")
        s.walk(cast[2], s.elsewhere(cast[2]))
    elif s.chance.maybe(0.5):
        s.find(cast[0], toy, "get")


def gift(s: Scene, cast: list[Person]) -> None:
    """A birthday: one makes or buys a present; it may be passed on."""
    giver, child = cast[0], cast[1]
    s.open(child, s.elsewhere(child))
    s.told.line(f"It was the birthday of {child.name}.", about=None, named=(child,))
    thing = s.thing(GOODS)
    if giver.job == thing.kind.sold_by:
        s.walk(giver, WORKPLACE[giver.job])
        s.make(giver, thing)
    else:
        if s.chance.maybe(0.5):
            s.purse(giver, 20, 50)
        s.shop(giver, thing)
    if thing in s.world.holder:
        s.meet(giver, child)
        s.told.say(giver, s.chance.pick(("Happy birthday!", "This is for you.", "I have something for you.")), to=child)
        s.hand(giver, thing, child)
        s.thank(child, giver, gift=True)
    if len(cast) > 2 and thing in s.world.holder and s.chance.maybe(0.5):
        third = cast[2]
        s.walk(child, s.elsewhere(child, OPEN_PLACES))
        s.meet(third, child)
        s.hand(child, thing, third, verb="lend")


def walkabout(s: Scene, cast: list[Person]) -> None:
    """Two or three go from place to place and carry things: who is where at the end?"""
    for who in cast[:2]:
        place = s.elsewhere(who)
        s.told.line(f"{who.name} was {place.at}.", about=who)
        s.world.go(who, place, len(s.told.sentences) - 1)
    thing = s.thing(GOODS)
    s.has(cast[0], thing)
    for _ in range(s.chance.between(2, 5)):
        who = s.chance.pick(cast[:2])
        if s.world.at[cast[0]] is s.world.at[cast[1]] and thing in s.world.holder and s.chance.maybe(0.7):
            holder = s.world.holder[thing]
            s.hand(holder, thing, cast[1] if holder is cast[0] else cast[0])
        elif thing in s.world.holder and s.world.holder[thing] is who and s.chance.maybe(0.25):
            s.put(who, thing)
        elif s.world.lying.get(thing) is s.world.at[who]:
            s.find(who, thing, "get")
        else:
            s.walk(who, s.elsewhere(who, PLACES[-8:]))


def cooking(s: Scene, cast: list[Person]) -> None:
    """One cooks something and shares it, or somebody eats it first."""
    cook, guest = cast[0], cast[1]
    s.open(cook, s.elsewhere(cook))
    dish = s.thing(FOODS)
    s.told.line(f"{cook.name} wanted to surprise {guest.name}.", named=(cook, guest))
    s.make(cook, dish)
    if s.chance.maybe(0.3):
        thief = cast[2]
        s.put(cook, dish)
        s.walk(cook, s.elsewhere(cook))
        place = s.world.lying[dish]
        s.walk(thief, place)
        s.find(thief, dish, "get")
        s.eat(thief, dish)
        s.told.say(cook, f"Who took my {dish.kind.noun}?")
        s.told.say(thief, s.chance.pick(("I am sorry. I was so hungry.", "It was me. Please forgive me.")), to=cook)
        return
    s.walk(guest, s.elsewhere(guest))
    s.meet(cook, guest)
    s.hand(cook, dish, guest)
    s.told.say(guest, s.chance.pick(("It smells delicious!", "May I taste it now?", "You cook better than anyone.")))
    s.eat(guest, dish)


PLOTS: tuple[Plot, ...] = (errand, lost, workday, loan, outing, gift, walkabout, cooking)
