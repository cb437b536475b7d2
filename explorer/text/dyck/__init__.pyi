from . import language as language
from .corpus import Dyck3 as Dyck3
from .heads import HeadAccuracy as HeadAccuracy, head_accuracy as head_accuracy
from .label_ids import (
    COPY as COPY,
    DEPTH as DEPTH,
    LABEL_TOKENS as LABEL_TOKENS,
    VALIDITY as VALIDITY,
    VOCABULARY as VOCABULARY,
)
