"""A conversation with a model: turns put into one document, which the model goes on with.

    talk = Conversation(speaker, template="dialogue")
    for piece in talk.ask("Who lives at the mill?"): print(piece, end="")

A base model was never taught to answer; it continues documents, and a template makes one that an answer continues. A
model with tokens for turns (``<|im_start|>``) is asked in those. When the document is longer than the context, its
oldest turns go.

Read in order:  TEMPLATES, Conversation.ask (which turns still fit), _tokens (the document)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lilllm.inference import given
from lilllm.inference.speaker import Speaker
from lilllm.inference.talk import Talk

LEAST_ROOM = 16  # tokens that are kept free for an answer, where max_new asks for more than that


@dataclass(frozen=True)
class Template:
    """Text around what is said.

    Attributes:
        about: what it is for, in a few words.
        before, between, after: what stands before what the user says, between that and the answer, and after it.
        stops: strings that end an answer.
        special: whether special tokens are meant where their names stand in the template (never in what is said).
    """

    about: str
    before: str = ""
    between: str = ""
    after: str = "\n"
    stops: tuple[str, ...] = ()
    special: bool = False


TEMPLATES = {
    "plain": Template("the model goes on with your text; nothing is put around it", between=""),
    "qa": Template("questions and answers", "Question: ", "\nAnswer:", "\n\n", ("\nQuestion:", "\n\n")),
    "dialogue": Template("two speakers", "User: ", "\nAssistant:", "\n", ("\nUser:", "\nAssistant:")),
    "chatml": Template(
        "for models that were taught its tokens",
        "<|im_start|>user\n",
        "<|im_end|>\n<|im_start|>assistant\n",
        "<|im_end|>\n",
        special=True,
    ),
}


class Conversation:
    """What was said so far, and the next answer.

    Args:
        template: a name of `TEMPLATES`; None: "chatml" if the tokenizer has its tokens, else "plain".
    Attributes:
        turns: pairs of what the user said and what the model answered, oldest first; those that no longer fit are gone.
        forgotten: how many turns the last question pushed out.
    Raises: ValueError: there is no such template, or the tokenizer lacks its tokens.
    """

    def __init__(self, speaker: Speaker, template: str | None = None) -> None:
        taught = "<|im_start|>" in speaker.tokenizer.special_tokens
        name = template or ("chatml" if taught else "plain")
        if name not in TEMPLATES:
            raise ValueError(f"there is no template {name!r}; choose one of: {', '.join(TEMPLATES)}")
        if name == "chatml" and not taught:
            raise ValueError(f"{speaker.name} has no tokens <|im_start|> and <|im_end|>; choose another template")
        self.speaker, self.name, self.template = speaker, name, TEMPLATES[name]
        self.turns: list[tuple[str, str]] = []
        self.forgotten = 0

    def reset(self) -> None:
        """Forget all that was said."""
        self.turns, self.forgotten = [], 0

    def ask(self, text: str, *, max_new: int = 200, seed: int | None = None, **sampler: Any) -> Answer:
        """The answer, in pieces; once it is over, or left, it belongs to `turns`.

        Raises: ValueError: what is asked is by itself longer than the context; an option out of range.
        """
        if not isinstance(text, str):
            raise ValueError(f"what is asked is {text!r}; give a text")
        given.whole("max_new", max_new, 0, "how many tokens to add at most, 0 or more")
        room = min(max_new, LEAST_ROOM, self.speaker.context_len // 2)
        kept = list(self.turns)
        while kept and len(self._tokens(kept, text)) + room > self.speaker.context_len:
            kept.pop(0)
        tokens = self._tokens(kept, text)
        if len(tokens) + room > self.speaker.context_len:
            raise ValueError(
                f"that has {len(tokens)} tokens, and the model's context is {self.speaker.context_len}, and {room} "
                "are for the answer; say it in fewer words"
            )
        talk = self.speaker.stream(tokens, max_new=max_new, stop=self.template.stops, seed=seed, **sampler)
        self.forgotten, self.turns = len(self.turns) - len(kept), kept
        return Answer(self, text, talk)

    def _tokens(self, turns: list[tuple[str, str]], text: str) -> list[int]:
        """The document as far as the answer."""
        template = self.template
        parts: list[tuple[str, bool]] = []  # text, and whether it is the template's
        for said, answered in turns:
            parts += [(template.before, True), (said, False), (template.between, True), (answered, False)]
            parts += [(template.after, True)]
        parts += [(template.before, True), (text, False), (template.between, True)]
        if not template.special:
            return self.speaker.encode("".join(part for part, _ in parts))
        tokenizer = self.speaker.tokenizer
        return [
            token for part, ours in parts for token in tokenizer.encode(part, allowed_special="all" if ours else "none")
        ]


class Answer(Iterator[str]):
    """Pieces of an answer; ``talk`` knows how it ended. Call ``close`` if you leave before its end."""

    def __init__(self, conversation: Conversation, asked: str, talk: Talk) -> None:
        self.talk = talk
        self._conversation, self._asked = conversation, asked
        self._pieces: list[str] = []
        self._open = True

    def __next__(self) -> str:
        try:
            piece = next(self.talk) if self._open else None
        except StopIteration:
            piece = None
        if piece is None:
            self.close()
            raise StopIteration
        self._pieces.append(piece)
        return piece

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def close(self) -> None:
        """What was said so far is the answer."""
        if self._open:
            self._open = False
            self._conversation.turns.append((self._asked, self.text))
