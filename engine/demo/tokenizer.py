"""The small tokenizer: Chinese by characters, English by words, the rest by letters.

It folds full-width text to half-width and capitals to small letters. Unknown text becomes letters or
``[UNK]``; no prompt makes it fail.
"""

import string
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "<|im_start|>", "<|im_end|>"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>{% endif %}"
)


def build_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Make a tokenizer that knows every Chinese character and English word of ``texts``."""
    normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.BertNormalizer(lowercase=True, handle_chinese_chars=True)]
    )
    splitter = pre_tokenizers.BertPreTokenizer()
    words: set[str] = set()
    for text in texts:
        words |= {word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))}
    letters = string.ascii_lowercase + string.digits
    pieces = [*letters, *(f"##{letter}" for letter in letters)]
    known = [PAD, UNKNOWN, START, END, *pieces, *sorted(words - set(pieces))]
    model = models.WordPiece(
        {word: index for index, word in enumerate(known)}, unk_token=UNKNOWN, max_input_chars_per_word=64
    )
    core = Tokenizer(model)
    core.normalizer = normalizer
    core.pre_tokenizer = splitter
    core.decoder = decoders.WordPiece(prefix="##")
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        additional_special_tokens=[START, END],
        padding_side="right",
        model_max_length=512,
        chat_template=TEMPLATE,
    )
