from . import corpora as corpora
from .class_reader import (
    ClassReader as ClassReader,
    can_be_read as can_be_read,
    learn_classes as learn_classes,
)
from .contrast import Contrast as Contrast, ReadyContrast as ReadyContrast
from .corpora import CORPORA as CORPORA, DEFAULT as DEFAULT, open_corpus as open_corpus
from .corpus import HELD_OUT as HELD_OUT, Corpus as Corpus, LabelHead as LabelHead
from .documents import TextEntry as TextEntry
from .file_corpus import (
    FEWEST_DOCUMENTS as FEWEST_DOCUMENTS,
    FileCorpus as FileCorpus,
    write_texts as write_texts,
)
from .labelled import (
    LabelledTokens as LabelledTokens,
    corpus_labels as corpus_labels,
    read_labelled as read_labelled,
)
from .labels import LabelMatrix as LabelMatrix, label_tokens as label_tokens
from .remote import PILE as PILE
from .sources import (
    CHARACTERS_PER_TOKEN as CHARACTERS_PER_TOKEN,
    GZIP as GZIP,
    LINES as LINES,
    PARQUET as PARQUET,
    SEPARATOR as SEPARATOR,
    TEXT as TEXT,
    TextSource as TextSource,
    read_text as read_text,
)
from .telling_words import class_words as class_words, mark_words as mark_words
from .token_groups import group_tokens as group_tokens
from .variety import (
    different_documents as different_documents,
    different_rows as different_rows,
    number_by_content as number_by_content,
)
from .windows import (
    BLOCK as BLOCK,
    Chunks as Chunks,
    Split as Split,
    TextReading as TextReading,
    read_windows as read_windows,
    sample as sample,
    shuffle as shuffle,
    split_of as split_of,
)
