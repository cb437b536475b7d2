from .decoder_match_scores import (
    make_match_dictionaries as make_match_dictionaries,
    write_decoder_match as write_decoder_match,
)
from .optimisers import OPTIMISERS as OPTIMISERS, OptimiserKind as OptimiserKind
from .over_training import make_training_table as make_training_table
from .own_text import (
    TrainingText as TrainingText,
    has_own_text as has_own_text,
    held_out_of as held_out_of,
    read_training_text as read_training_text,
)
