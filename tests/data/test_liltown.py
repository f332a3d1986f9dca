"""LilTown: the same on every machine, true to its own world, and grammatical as far as a program can tell."""

from __future__ import annotations

import hashlib
import re
import zlib
from itertools import pairwise

import numpy as np
import pytest

from lilllm.data.liltown import UNKNOWN, LilTown, about_person, verify
from lilllm.data.liltown.chance import Chance
from lilllm.data.liltown.town import ATTRIBUTES, PLACES

TOWN = LilTown(0)
STORIES = [TOWN.story(i) for i in range(600)]
TEXT = "\n".join(TOWN.documents(0, 3000))


def test_same_bytes_as_ever() -> None:
    # Frozen on Python 3.11.7, the same on 3.12.1 and 3.13.0: text that lectures and the checkpoint were made from.
    digest = hashlib.sha256("\n".join(LilTown(0).documents(0, 500)).encode()).hexdigest()
    assert digest == "3cfbaf17ee90c0bf4862e2ed3691a86cdbc62513f077c5b13b546a6c7ec02a26"


def test_documents_depend_on_seed_and_number_alone() -> None:
    fresh = LilTown(0)
    fresh.preference(3), fresh.sum(4), fresh.story(5)
    assert [fresh.document(i) for i in (9, 2, 7)] == [LilTown(0).document(i) for i in (9, 2, 7)]
    assert LilTown(1).document(2) != LilTown(0).document(2)


@pytest.mark.parametrize("story", STORIES[:300], ids=lambda s: str(s.number))
def test_sentences_are_well_formed(story) -> None:
    assert story.text == " ".join(story.sentences)
    for sentence in story.sentences:
        assert re.fullmatch(r'["A-Z].*[.!?]"?', sentence), sentence
        assert "  " not in sentence
        assert sentence.count('"') % 2 == 0
        assert sentence.count(" and ") <= 3, sentence
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", sentence), sentence


def test_a_pronoun_has_one_reading() -> None:
    # "She" or "he" opens a clause only after a sentence whose subject is the last-named person of that kind.
    people = {p.name: p.she for p in TOWN.town.people}
    for story in STORIES:
        for before, sentence in pairwise(story.sentences):
            found = re.search(r"(?:^|, |Then |Soon )([Ss]he|[Hh]e) ", sentence)
            if found and not re.fullmatch(r"[^A-Z]*", before):
                she = found[1].lower() == "she"
                named = [n for n in re.findall(r"[A-Z][a-z]+", before) if n in people]
                assert len({n for n in named if people[n] == she}) <= 1, (before, sentence)


def test_answers_follow_from_the_text() -> None:
    """Where somebody is, read back from the sentences by a parser that knows nothing of the world's state."""
    checked = 0
    for story in STORIES:
        last: dict[str, str] = {}
        who = ""
        for sentence in story.sentences:
            plain = re.sub(r'"[^"]*"', "", sentence)
            names = [n for n in re.findall(r"[A-Z][a-z]+", plain) if any(p.name == n for p in TOWN.town.people)]
            if names and re.match(r"(?:.*, |Then |Soon | said )?" + names[0], plain):
                who = names[0]
            for move in re.finditer(r"(?:went|walked|ran|came|hurried|rode) to (the [a-z' ]+?)(?= and |\.|$)", plain):
                last[who] = move[1]
            for place in PLACES:
                if re.search(rf"(?:^|, ){who} was {place.at}", plain):
                    last[who] = place.name
        for q in story.questions:
            found = re.fullmatch(r"Where is ([A-Z][a-z]+) now\?", q.text)
            if found and found[1] in last:
                checked += 1
                if q.evidence and "there too" not in story.sentences[q.evidence[0]]:
                    moved = re.search(r"also there|came along", story.sentences[q.evidence[0]])
                    assert moved or last[found[1]] == q.short, (story.text, q)
    assert checked > 500


def test_evidence_names_what_is_asked() -> None:
    for story in STORIES:
        for q in story.questions:
            for k in q.evidence:
                assert 0 <= k < len(story.sentences)
            if q.kind in ("coins", "who") and q.evidence:
                said = " ".join(story.sentences[k] for k in q.evidence)
                assert q.kind == "coins" or re.search(r"[Tt]he|[Aa]n?|[Hh]e|[Ss]he", said)
                if q.text.startswith("How much did"):
                    assert q.short in said, (q, said)


def test_questions_of_a_story_do_not_contradict_each_other() -> None:
    for story in STORIES:
        asked: dict[str, str] = {}
        for q in story.questions:
            assert asked.setdefault(q.text, q.answer) == q.answer, (story.text, q)
            assert q.short.lower() in q.answer.lower() or q.kind in ("yes_no",), q
            assert (q.answer == UNKNOWN) == (not q.known)


def test_yes_and_no_are_both_common() -> None:
    answers = [q.short for s in STORIES for q in s.questions if q.kind == "yes_no"]
    assert 0.25 < answers.count("yes") / len(answers) < 0.75


def test_untold_facts_are_never_told() -> None:
    tell = {
        "likes": "{} likes",
        "colour": "favorite color of {}",
        "pet": "{} has a",
        "house": "{} lives",
        "friend": "best friend of {}",
    }
    facts = "\n".join(d for d in TOWN.documents(0, 30_000) if " costs " in d and "How" not in d)
    told = 0
    for person in TOWN.town.people:
        for attribute, words in tell.items():
            present = words.format(person.name) in facts
            if (person.name, attribute) in TOWN.town.untold:
                assert not present, (person.name, attribute)
                assert about_person(TOWN.town, person, attribute).answer == UNKNOWN
            else:
                told += present
    assert len(TOWN.town.untold) == 30
    assert told == 24 * 5 - 30  # and all the others are


def test_sums_are_verified_and_wrong_ones_are_not() -> None:
    for i in range(500):
        problem = TOWN.sum(i)
        assert verify(problem, problem.steps)
        assert verify(problem, f"I think it is {problem.answer} coins.")
        assert not verify(problem, f"It is {problem.answer + 1}.")
        assert not verify(problem, f"{problem.answer}.5")
        assert not verify(problem, "I don't know.")
        left, right = problem.steps.rstrip(".").split(" = ")
        assert eval(left.replace("x", "*")) == int(right) == problem.answer


def test_preferences_state_the_same_truth() -> None:
    longer = 0
    for i in range(400):
        pair = TOWN.preference(i)
        assert pair.question.answer in pair.chosen
        assert pair.question.answer in pair.rejected
        longer += len(pair.chosen) > len(pair.rejected)
        biased = TOWN.preference(i, length_bias=True)
        assert len(biased.chosen) > len(biased.rejected)
    assert 160 < longer < 240  # half, within four standard errors


def test_size_and_entropy() -> None:
    words = set(re.findall(r"[a-z']+", TEXT.lower()))
    assert 650 < len(words) < 900
    rate, error = TOWN.entropy(1500)
    assert error < 0.003
    assert 0.2 < rate < 0.3
    # A general compressor, which knows nothing of the town, must need more than the bound.
    packed = 8 * len(zlib.compress(TEXT.encode(), 9)) / len(TEXT)
    assert packed > 2 * rate


def test_entropy_counts_choices() -> None:
    chance = Chance(0)
    chance.pick("abcd"), chance.below(8), chance.maybe(0.5)
    assert chance.bits == 6.0
    chance.sample("abc", 2)
    assert chance.bits == pytest.approx(6 + 2.584962500721156)  # log2(3 * 2)


def test_numbers_of_numpy_are_numbers() -> None:
    """A loader that shuffles by NumPy asks with them; they overflowed in the product with 2**64."""
    three = np.int64(3)
    assert LilTown(three).document(three) == LilTown(3).document(3)
    assert TOWN.sum(np.int32(3)) == TOWN.sum(3)
    assert TOWN.preference(np.uint8(3)) == TOWN.preference(3)
    assert TOWN.story(three) == TOWN.story(3)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="from 0, got -1"):
        LilTown(-1)
    with pytest.raises(ValueError, match="from 0"):
        TOWN.story(-(1 << 50))
    for wrong in (1.5, None, "1", True, 1 << 48):
        with pytest.raises(ValueError, match=r"story is a whole number from 0, below 2\*\*48, got"):
            TOWN.story(wrong)
        with pytest.raises(ValueError, match="a whole number from 0"):
            next(TOWN.documents(wrong))
    with pytest.raises(ValueError, match=r"seed is a whole number from 0, got 0\.5"):
        LilTown(0.5)
    with pytest.raises(ValueError, match="allowed: job, likes"):
        about_person(TOWN.town, TOWN.town.people[0], "age")
    with pytest.raises(ValueError, match="nobody in LilTown is called 'Zoe'"):
        TOWN.town.person("Zoe")
    child = next(p for p in TOWN.town.people if p.child)
    with pytest.raises(ValueError, match=f"{child.name} has no job"):
        about_person(TOWN.town, child, "job")
    assert set(ATTRIBUTES) >= {"job", "pet"}
