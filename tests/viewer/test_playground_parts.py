"""The playground without a browser: tokens as they are shown, checkpoints, scores and attention weights."""

from __future__ import annotations

import math
import re
import sys
import threading
import unicodedata
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lilllm import tokenizers
from lilllm.inference import GREEDY, Sampler, Speaker, sources
from lilllm.models import Decoder, ModelConfig
from tests.viewer.modules import module
from tests.viewer.runs import TEXT, made, records

marks, models, scores = module("token_marks"), module("checkpoints"), module("scores")
samplers, attention, chat = module("samplers_view"), module("attention_view"), module("chat_view")
following = module("next_view")

TEXTS = [
    "Hello  world\n\tindented\r\n",
    "naïve café — 你好 👩‍🚀 🇬🇧",
    "e\u0301 \u202e right to left \u200b \xa0 \ufeff",
    '<b>&amp; "quotes" \'</b>',
    "\x00\x07\x7f\ue000",
    "",
]


# ------------------------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize("text", TEXTS)
def test_every_byte_of_a_text_is_seen(text: str) -> None:
    """What is shown leads back to the bytes: letters as they are, marks by their table, their number or their hex."""
    back = {mark: character for character, mark in marks._NAMED.items()}
    for tokenizer in (tokenizers.ByteTokenizer(), tokenizers.BPETokenizer.train([TEXT], vocab_size=300)):
        data = b""
        for piece in marks.pieces(tokenizer, tokenizer.encode(text)):
            for shown, is_mark in marks.visible(piece.data):
                if not is_mark:
                    data += shown.replace("\N{DOTTED CIRCLE}", "").encode()
                elif shown in back:
                    data += back[shown].encode()
                elif shown.startswith("U+"):
                    data += chr(int(shown[2:], 16)).encode()
                else:
                    data += bytes.fromhex(shown)
        assert data == text.encode()


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_that_is_shown_is_invisible_or_html(text: str) -> None:
    tokenizer = tokenizers.BPETokenizer.train([TEXT], vocab_size=300)
    html = marks.marked(marks.pieces(tokenizer, tokenizer.encode(text)))
    seen = unescape(re.sub(r"<[^>]*>", "", html))
    assert not [c for c in seen if unicodedata.category(c) in ("Cc", "Cf", "Co", "Zl", "Zp")]
    assert set(re.findall(r"</?([a-z]+)", html)) <= {"div", "span", "b", "i", "small", "br", "p"}


def test_tokens_have_ids_and_sizes_and_special_ones_are_told_apart() -> None:
    tokenizer = tokenizers.ByteTokenizer(["<|endoftext|>"])
    html = marks.marked(marks.pieces(tokenizer, [65, 256, 240]), new_from=2)
    assert 'title="token 65: 1 byte, 41"' in html
    assert '<span class="token t1 special"' in html
    assert "&lt;|endoftext|&gt;" in html
    assert '<span class="token t2 new"' in html
    assert "<i>F0</i>" in html
    assert marks.marked([marks.Piece(1, b"x")] * 2000).count("<span class=") == 1500
    assert "500 more tokens" in marks.marked([marks.Piece(1, b"x")] * 2000)


# -------------------------------------------------------------------------------------------------------- checkpoints


def checkpoint(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_text("{}")
    return folder


def test_models_are_the_runs_their_steps_and_what_was_named_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "LILTOWN", tmp_path / "none")
    root, given = tmp_path / "runs", checkpoint(tmp_path / "given")
    made(root / "one", records(3))
    made(root / "two", records(3), age=10_000)
    for step in ("step-000500", "step-001500", "step-000020"):
        checkpoint(root / "one" / "checkpoints" / step)
    (root / "one" / "checkpoints" / "step-000020" / "tokenizer.json").unlink()  # not whole
    checkpoint(root / "one" / "checkpoints" / ".step-009999")
    (root / "one" / "checkpoints" / "step-777777").symlink_to(given)
    linked = root / "one" / "checkpoints" / "step-000600"
    linked.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (linked / name).symlink_to(given / name)
    (root / "two" / "checkpoints").symlink_to(root / "one" / "checkpoints")
    monkeypatch.setattr(sys, "argv", ["app", "--model", str(given), "--model", "gpt2"])
    found = models.find_models(root)
    assert list(found) == ["one", "one/step-001500", "one/step-000500", str(given), "gpt2"]
    assert sources.folder_of(found["one"])[1].name == "step-001500", "the newest, where none is the best"
    best = root / "one" / "checkpoints" / "best.json"
    best.write_text('{"checkpoint": "step-000500", "step": 500, "loss": 1.0}')
    assert sources.folder_of(found["one"])[1].name == "step-000500"
    for lie in ("../../../given", "step-777777", "step-000600", str(given), 5, None):
        best.write_text(f'{{"checkpoint": "{lie}"}}')
        assert sources.folder_of(found["one"])[1].name == "step-001500"
    assert sources.folder_of(found[str(given)])[1] == given


def test_the_committed_model_is_in_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "LILTOWN", checkpoint(tmp_path / "liltown"))
    assert models.find_models(tmp_path / "runs") == {"liltown": str(tmp_path / "liltown")}


# ------------------------------------------------------------------------------------------------------------- scores


KINDS: dict[str, dict[str, Any]] = {
    "rope, shared keys": {"n_kv_heads": 2},
    "learned": {"positions": "learned"},
    "alibi": {"positions": "alibi"},
    "window": {"window": 3},
    "qk norm": {"qk_norm": True},
}


def speaker_of(**kind: Any) -> Speaker:
    tokenizer = tokenizers.ByteTokenizer(["<|endoftext|>"])
    config = ModelConfig(vocab_size=300, n_layers=2, d_model=32, n_heads=4, context_len=16, **kind)
    model = Decoder(config, generator=torch.Generator().manual_seed(1)).eval()
    return Speaker(model, tokenizer, "made")


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_the_weights_that_are_shown_are_those_that_the_layers_use(kind: str) -> None:
    """Of each layer: the shown weights times the values, through its output matrix, are what the layer gave."""
    speaker = speaker_of(**KINDS[kind])
    ids = list(b"attention")
    entered: list[torch.Tensor] = []
    given: list[torch.Tensor] = []

    def listen(_: object, args: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        entered.append(args[0])
        given.append(out)

    hooks = [block.attention.register_forward_hook(listen) for block in speaker.model.blocks]  # type: ignore[union-attr, operator]
    weights = scores.attention_weights(speaker, ids)
    for hook in hooks:
        hook.remove()
    assert weights.shape == (2, 4, 9, 9)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert (np.triu(weights, 1) == 0).all(), "nobody looks ahead"
    for layer, block in enumerate(speaker.model.blocks):
        part = block.attention
        heads = part.qkv(entered[layer])[0].unflatten(-1, (-1, part.d_head))  # type: ignore[union-attr, operator]
        v = heads[:, part.n_heads + part.n_kv_heads :].repeat_interleave(part.n_heads // part.n_kv_heads, 1)  # type: ignore[operator]
        mixed = torch.einsum("hts,shd->thd", torch.from_numpy(weights[layer]), v)
        torch.testing.assert_close(part.out(mixed.flatten(1)), given[layer][0], atol=1e-5, rtol=1e-4)  # type: ignore[union-attr, operator]
    assert not any(block.attention._forward_pre_hooks for block in speaker.model.blocks), "no hook stays"


def test_a_window_is_seen_in_the_weights() -> None:
    weights = scores.attention_weights(speaker_of(window=3), list(b"attention"))
    assert (np.tril(weights, -3) == 0).all()


def test_scores_are_the_models_and_tokens_it_cannot_write_are_out() -> None:
    speaker = speaker_of()
    logits = scores.next_logits(speaker, list(b"abc"))
    with torch.no_grad():
        whole = speaker.model(torch.tensor([list(b"abc")]))[0, -1]
    torch.testing.assert_close(logits[:257], whole[:257], atol=1e-5, rtol=1e-5)
    assert (logits[257:] == -math.inf).all()
    choice = scores.choice_of(logits, 5)
    assert [(one.id, pytest.approx(one.probability, abs=1e-6)) for one in speaker.candidates("abc", 5)] == choice.top
    assert choice.kept == 257
    p = logits.double().softmax(-1)[:257]
    assert choice.choices == pytest.approx(float(torch.exp(-(p * p.log()).sum())), rel=1e-6)


def test_a_text_longer_than_the_context_is_seen_from_its_end() -> None:
    speaker = speaker_of()
    long = list(b"0123456789" * 5)
    torch.testing.assert_close(scores.next_logits(speaker, long), scores.next_logits(speaker, long[-16:]))
    assert len(scores.fitting(speaker, long, 8)) == 9
    assert len(scores.fitting(speaker, long, 99)) == 1


def test_a_broken_model_is_said_to_be_one() -> None:
    speaker = speaker_of()
    with torch.no_grad():
        speaker.model.embed.weight[:] = math.nan
    with pytest.raises(ValueError, match="not finite"):
        scores.next_logits(speaker, [1, 2])


def test_what_a_sampler_leaves() -> None:
    logits = torch.tensor([0.1, 0.6, 0.3]).log()
    assert scores.left_by(Sampler(top_k=2), logits, [0]).exp().tolist() == pytest.approx([0, 0.6, 0.3])
    assert scores.choice_of(scores.left_by(GREEDY, logits, [0]), 3) == ([(1, 1.0)], 1.0, 1)


def test_names_on_an_axis_are_never_alike() -> None:
    texts = {7: b" international one", 8: b" international two", 9: b" a"}
    made_up = SimpleNamespace(tokenizer=SimpleNamespace(token_bytes=texts.__getitem__))
    assert samplers._names(made_up, [7, 8, 9]) == ["·internationa… (7)", "·internationa… (8)", "·a"]


def test_a_map_has_a_row_for_each_pair_that_may_look() -> None:
    rows = attention.rows_of(np.tril(np.ones((3, 3))) / np.arange(1, 4)[:, None], ["1 a", "2 b", "3 a"])
    assert list(zip(rows.looks, rows["at"], rows.weight.round(2), strict=True)) == [
        ("1 a", "1 a", 1.0),
        ("2 b", "1 a", 0.5),
        ("2 b", "2 b", 0.5),
        ("3 a", "1 a", 0.33),
        ("3 a", "2 b", 0.33),
        ("3 a", "3 a", 0.33),
    ]


def test_the_overview_has_a_picture_of_every_head() -> None:
    from PIL import Image

    weights = np.zeros((2, 3, 4, 4))
    weights[..., 0] = 1
    html = attention.overview(weights, (1, 2))
    assert html.count("<img") == 6
    assert html.index('class="chosen"') < html.index("layer 2, head 3")
    import base64
    import io

    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(attention.picture(weights[0, 0]).partition(",")[2]))))
    assert pixels.shape == (4, 4, 3)
    assert pixels[0, 0].sum() > 2 * pixels[0, 1].sum(), "much weight is bright"


def test_a_talk_longer_than_the_context_keeps_its_end() -> None:
    speaker = speaker_of()
    said = [{"text": "0123456789"}, {"text": "abcdefghij"}]
    assert chat.prompt_of(speaker, said, 100) == "cdefghij"  # half the context at least
    assert chat.prompt_of(speaker, said, 4) == "789abcdefghij"
    assert chat.prompt_of(speaker, said[:1], 4) == "0123456789"
    assert "".join(speaker.stream(chat.prompt_of(speaker, said, 4), max_new=4, seed=0)) is not None


def test_another_session_that_writes_meanwhile_is_not_in_the_map(monkeypatch: pytest.MonkeyPatch) -> None:
    speaker, ids = speaker_of(), [1, 2, 3]
    alone = scores.attention_weights(speaker, ids)
    weights = scores._weights

    def disturbed(*args: Any, **given: Any) -> torch.Tensor:
        monkeypatch.setattr(scores, "_weights", weights)
        other = threading.Thread(target=torch.no_grad()(speaker.model), args=(torch.tensor([[4, 5]]),))
        other.start()
        other.join()
        return weights(*args, **given)

    monkeypatch.setattr(scores, "_weights", disturbed)
    np.testing.assert_array_equal(scores.attention_weights(speaker, ids), alone)


def test_a_click_on_candidates_that_are_no_longer_the_next_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"continued": [5]}
    monkeypatch.setattr(following.st, "session_state", state)
    following._take(7, 0)
    assert state["continued"] == [5]
    following._take(7, 1)
    assert state["continued"] == [5, 7]


def test_no_two_sessions_write_into_one_talk(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions: list[SimpleNamespace] = []

    def open_page(asked: str) -> list[dict[str, Any]]:
        sessions.append(SimpleNamespace(session_state={}, query_params={"talk": asked} if asked else {}))
        monkeypatch.setattr(chat.st, "session_state", sessions[-1].session_state)
        monkeypatch.setattr(chat.st, "query_params", sessions[-1].query_params)
        said: list[dict[str, Any]] = chat._said()
        return said

    first = open_page("")
    first.append({"role": "user", "text": "Once"})
    again = open_page(sessions[0].query_params["talk"])
    assert again == first
    again.append({"role": "user", "text": "twice"})
    again[0]["text"] = "stopped"
    assert first == [{"role": "user", "text": "Once"}]
    assert chat._said() is again
    chat._clear()
    assert (chat._said(), len(first)) == ([], 1)
    assert open_page("unknown") == []
