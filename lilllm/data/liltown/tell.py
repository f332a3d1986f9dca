"""Saying what happens: clauses become sentences, names become pronouns where that is clear.

A plot calls `Teller.clause` with a subject and a predicate ("went to the mill"), `say` for speech, `line` for a whole
sentence. The teller joins two clauses of one subject with "and", opens sentences in varied ways, and uses "she" or
"he" only if the last sentence had the same subject and named nobody else of that kind.
"""

from __future__ import annotations

from lilllm.data.liltown.chance import Chance
from lilllm.data.liltown.town import Person
from lilllm.data.liltown.world import Thing

_OPENERS = ("", "", "", "Then ", "After that, ", "Next, ", "Soon ", "A little later, ")


class Teller:
    """Collects the sentences of one story. ``now`` is the index of the sentence that the next clause lands in."""

    __slots__ = ("_chance", "_joins", "_named", "_open", "_opener", "_run", "_subject", "sentences")

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self.sentences: list[str] = []
        self._open: list[str] = []  # predicates of the sentence being made
        self._opener = ""
        self._joins = False
        self._subject: Person | None = None
        self._named: set[str] = set()  # of the last sentence
        self._run = 0  # sentences in a row with a pronoun

    def clause(self, who: Person, predicate: str, *, others: tuple[Person, ...] = (), start: bool = False) -> int:
        """Tell that ``who`` did ``predicate``; ``others`` are the people named in it. Gives the index of its sentence.

        ``start``: a sentence by itself, with no opener ("had 9 coins" is no deed that follows another).
        """
        chance = self._chance
        if self._joins and self._subject is who and not start and chance.maybe(0.45):
            self._open.append(predicate)
            self._joins = False
        else:
            pronoun = self._may_pronoun(who)
            self._flush()
            opener = "" if start or not self.sentences else chance.pick(_OPENERS)
            name = who.subject if pronoun else who.name
            self._run = self._run + 1 if pronoun else 0
            self._opener = opener + name if opener else name[0].upper() + name[1:]
            self._open = [predicate]
            self._joins = not start and " and " not in predicate
            self._subject = who
            self._named = set()
        self._named.update(p.name for p in others)
        self._named.add(who.name)
        return len(self.sentences)

    def say(self, who: Person, words: str, *, to: Person | None = None) -> int:
        """``who`` says ``words`` (one or more sentences that end in . ! or ?)."""
        self._flush()
        verb = "asked" if words.endswith("?") else "said"
        pronoun = self._may_pronoun(who)
        name = who.subject if pronoun else who.name
        self._run = self._run + 1 if pronoun else 0
        toward = f" {to.name}" if to and verb == "asked" else f" to {to.name}" if to else ""
        if to is None and words.endswith(".") and self._chance.maybe(0.5):
            sentence = f'"{words[:-1]}," {verb} {who.name}.'
            self._run = 0
        else:
            sentence = f'{name[0].upper()}{name[1:]} {verb}{toward}, "{words}"'
        return self._whole(sentence, who, {who.name} | ({to.name} if to else set()))

    def line(self, sentence: str, *, about: Person | None = None, named: tuple[Person, ...] = ()) -> int:
        """A whole sentence of its own; ``about`` is whom a pronoun after it would mean."""
        self._flush()
        self._run = 0
        return self._whole(sentence, about, {p.name for p in named} | ({about.name} if about else set()))

    def thing(self, thing: Thing) -> str:
        """ "a red kite" the first time, then "the kite" or "the red kite"."""
        if not thing.known:
            thing.known = True
            return thing.a
        return thing.the if self._chance.maybe(0.7) else thing.full

    def text(self) -> str:
        self._flush()
        return " ".join(self.sentences)

    def _may_pronoun(self, who: Person) -> bool:
        clear = self._subject is who and len(self._named) <= 1
        return clear and self._run < 2 and self._chance.maybe(0.75)

    def _whole(self, sentence: str, subject: Person | None, named: set[str]) -> int:
        self.sentences.append(sentence)
        self._subject, self._named = subject, named
        return len(self.sentences) - 1

    def _flush(self) -> None:
        if self._open:
            self.sentences.append(f"{self._opener} {' and '.join(self._open)}.")
            self._open = []
            self._joins = False
