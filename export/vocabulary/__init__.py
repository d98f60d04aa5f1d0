"""Vocabulary trimming: a model keeps the tokens that a language needs, and spells the others with those.

The embedding and the output matrix of a small model are a quarter of its weights, and the output matrix is read for
every token that is decoded. In byte-level BPE a token can be taken out safely: its text is spelled with the tokens it
was merged from, down to single bytes, so nothing becomes unwritable.
"""

from export.vocabulary.keeping import KeptVocabulary, TrimOptions, choose, trim_vocabulary
from export.vocabulary.rewriting import trim, trimmable_tokenizer
from export.vocabulary.tokenizer import ByteLevelBPE, read_byte_level_bpe

__all__ = [
    "ByteLevelBPE", "KeptVocabulary", "TrimOptions", "choose", "read_byte_level_bpe", "trim", "trim_vocabulary",
    "trimmable_tokenizer",
]  # fmt: skip
