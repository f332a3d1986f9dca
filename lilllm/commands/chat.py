"""`lilllm chat`: talk to a model in the terminal."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from lilllm.commands.speaking import harmless, in_one_line, note, open_speaker, show, speaking

if TYPE_CHECKING:
    from lilllm.inference import Speaker
    from lilllm.inference.conversation import Conversation

HELP = """\
/help               this
/reset              forget what was said
/seed N             draw the same again from here; /seed alone: another each time
/temperature T      0 always the likeliest token, 1 as the model has it
/template NAME      plain, qa, dialogue, chatml; and forget what was said
/model SOURCE       another model: liltown, a run, a checkpoint, a Hugging Face folder or id
/quit               leave, as Ctrl-D does; Ctrl-C stops an answer"""


@click.command(name="chat")
@speaking
@click.option("--template", metavar="NAME", help="plain, qa, dialogue, chatml [default: what the model was taught].")
def command(
    model: str | None, device: str | None, max_new: int, seed: int | None, template: str | None, **sampler: Any
) -> None:
    """Talk to a model.

    A base model continues documents; a template puts what you say into one. /help lists what else you can type.
    """
    with in_one_line():
        speaker = open_speaker(model, device)
        speaker.sampler(**sampler)  # wrong options are told before the first question
        chat = _Chat(_conversation(speaker, template), device, max_new, seed, sampler)
    chat.greet()
    while chat.turn():
        pass


@dataclass
class _Chat:
    conversation: Conversation
    device: str | None
    max_new: int
    seed: int | None
    sampler: dict[str, Any]
    asked: int = field(default=0)

    def greet(self) -> None:
        speaker, name = self.conversation.speaker, self.conversation.name
        note(f"{speaker.name}, context of {speaker.context_len} tokens, template {name}; /help, Ctrl-D to leave")
        if name != "chatml":
            note("a base model: it goes on with a text, and was not taught to answer")

    def turn(self) -> bool:
        """Read a line and do what it says; False to leave."""
        try:
            line = input("> " if sys.stdin.isatty() else "")
        except EOFError:
            if sys.stdin.isatty():
                show("\n")
            return False
        except KeyboardInterrupt:
            show("\n")
            note("Ctrl-D or /quit to leave")
            return True
        except UnicodeDecodeError:
            note("that was not UTF-8; set the terminal to it")
            return True
        if line.startswith("/"):
            return self._command(line)
        if line.strip():
            self._ask(line)
        return True

    def _ask(self, line: str) -> None:
        seed = None if self.seed is None else self.seed + self.asked
        try:
            answer = self.conversation.ask(line, max_new=self.max_new, seed=seed, **self.sampler)
            if self.conversation.forgotten:
                note(f"the context is full: the oldest {self.conversation.forgotten} turns are forgotten")
        except ValueError as error:
            note(str(error))
            return
        self.asked += 1
        try:
            for piece in answer:
                show(harmless(piece))
        except KeyboardInterrupt:
            answer.close()
            show("\n")
            note("stopped")
            return
        except ValueError as error:  # a model whose logits are NaN
            answer.close()
            show("\n")
            note(str(error))
            return
        show("\n")
        if answer.talk.full:
            note("the context is full; the next answer begins with fewer turns")

    def _command(self, line: str) -> bool:
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        try:
            if word in ("/quit", "/exit"):
                return False
            if word == "/help":
                click.echo(HELP, err=True)
            elif word == "/reset":
                self._new(self.conversation.speaker, self.conversation.name)
            elif word == "/seed":
                self.seed, self.asked = (_number(rest) if rest else None), 0
                note(f"seed {self.seed}" if rest else "another seed each time")
            elif word == "/temperature":
                self._temperature(rest)
            elif word == "/template":
                self._new(self.conversation.speaker, rest)
            elif word == "/model":
                with_note = open_speaker(rest or None, self.device)
                self._new(with_note, None)
            else:
                note(f"there is no {word}; /help lists what there is")
        except (ValueError, OSError, ModuleNotFoundError) as error:
            note(str(error))
        except KeyboardInterrupt:
            show("\n")
            note("stopped")
        return True

    def _temperature(self, rest: str) -> None:
        changed = self.sampler | {"temperature": _real(rest)}
        self.conversation.speaker.sampler(**changed)  # ValueError: out of range
        self.sampler = changed
        note(f"temperature {changed['temperature']:g}")

    def _new(self, speaker: Speaker, template: str | None) -> None:
        self.conversation, self.asked = _conversation(speaker, template), 0
        note(f"a new conversation with {speaker.name}, template {self.conversation.name}")


def _conversation(speaker: Speaker, template: str | None) -> Conversation:
    from lilllm.inference import Conversation

    return Conversation(speaker, template)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError(f"{text!r} is no seed; give a whole number, such as /seed 1")
    return int(text)


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no temperature; give a number, such as /temperature 0.8") from None
