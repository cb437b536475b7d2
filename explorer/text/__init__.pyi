from . import corpora as corpora
from .chunks import (
    Chunks as Chunks,
    Split as Split,
    chunk_documents as chunk_documents,
    sample as sample,
    shuffle as shuffle,
)
from .contrast import Contrast as Contrast, ReadyContrast as ReadyContrast
from .corpora import CORPORA as CORPORA, DEFAULT as DEFAULT, open_corpus as open_corpus
from .corpus import HELD_OUT as HELD_OUT, Corpus as Corpus, LabelHead as LabelHead, ReadClass as ReadClass
from .documents import TextEntry as TextEntry
from .file_corpus import FileCorpus as FileCorpus, write_texts as write_texts
from .labels import LabelMatrix as LabelMatrix, label_tokens as label_tokens
from .sources import (
    BLOCK as BLOCK,
    FEWEST_DOCUMENTS as FEWEST_DOCUMENTS,
    LINES as LINES,
    PARQUET as PARQUET,
    SEPARATOR as SEPARATOR,
    TEXT as TEXT,
    TextSource as TextSource,
    read_text as read_text,
)
