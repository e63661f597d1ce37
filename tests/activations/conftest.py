"""Two tiny language models with random weights, and texts that they can read."""

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ["<pad>", "<cls>", "<sep>", "<unk>"]
ROLES = dict(zip(("pad_token", "cls_token", "sep_token", "unk_token"), SPECIAL, strict=True))
N_WORDS = 60


def _tokenizer(*, bert):
    words = [f"w{number}" for number in range(N_WORDS)]
    backend = Tokenizer(WordLevel({word: place for place, word in enumerate(SPECIAL + words)}, SPECIAL[3]))
    backend.pre_tokenizer = WhitespaceSplit()
    if bert:
        backend.post_processor = TemplateProcessing(
            single="<cls> $A <sep>",
            special_tokens=[("<cls>", SPECIAL.index("<cls>")), ("<sep>", SPECIAL.index("<sep>"))],
        )
    return PreTrainedTokenizerFast(tokenizer_object=backend, **ROLES)


SIZES = {
    "vocab_size": len(SPECIAL) + N_WORDS,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
}


@pytest.fixture(scope="session")
def causal_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("causal")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=2)).save_pretrained(folder)
    _tokenizer(bert=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def bert_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    with torch.random.fork_rng():
        torch.manual_seed(2)
        BertModel(BertConfig(**SIZES)).save_pretrained(folder)
    _tokenizer(bert=True).save_pretrained(folder)
    return folder


def words(n_words, start):
    return " ".join(f"w{(start + 7 * place * place) % N_WORDS}" for place in range(n_words))


@pytest.fixture(scope="session")
def texts():
    """Nine documents of 40 to 680 words."""
    return tuple(words(40 + 80 * number, start=11 * number) for number in range(9))
