from . import lanes as lanes, token_classes as token_classes, vectors as vectors
from .arms import (
    ARMS as ARMS,
    AS_RAW as AS_RAW,
    CARRIED as CARRIED,
    LANES as LANES,
    RECORDED as RECORDED,
    Arm as Arm,
)
from .class_counts import added as added, count_texts as count_texts
from .count_job import (
    FRESH_TEXTS as FRESH_TEXTS,
    CountJob as CountJob,
    TextCount as TextCount,
)
from .decoding import MAX_NEW_TOKENS as MAX_NEW_TOKENS, Positions as Positions, Sampling as Sampling
from .dose_measure import (
    RANDOM_DIRECTIONS as RANDOM_DIRECTIONS,
    Measurer as Measurer,
    OwnContrast as OwnContrast,
    Question as Question,
    Steered as Steered,
    answer as answer,
    contrast_question as contrast_question,
    measure_vector as measure_vector,
    own_contrasts as own_contrasts,
)
from .dose_response import (
    BAND as BAND,
    DOSES as DOSES,
    MAX_LOSS_RISE as MAX_LOSS_RISE,
    REGIMES as REGIMES,
    ArmCurve as ArmCurve,
    DoseResponse as DoseResponse,
    Regime as Regime,
    TransferVerdict as TransferVerdict,
)
from .generation import Lane as Lane, generate as generate, stream as stream
from .held_out_prompts import PROMPTS as PROMPTS
from .lane_job import LaneJob as LaneJob, Piece as Piece, Snapshot as Snapshot
from .lanes import (
    DEFAULT_LANES as DEFAULT_LANES,
    MAX_DOSE as MAX_DOSE,
    NORM_DOCUMENTS as NORM_DOCUMENTS,
    PLAIN as PLAIN,
    STEERED as STEERED,
    LaneEffect as LaneEffect,
    Steering as Steering,
    build_lanes as build_lanes,
    feature_tokens as feature_tokens,
)
from .reading_measure import (
    ReadingMeasurer as ReadingMeasurer,
    read_contrast as read_contrast,
    read_vectors as read_vectors,
)
from .reading_shares import (
    LEAST_ACCURACY as LEAST_ACCURACY,
    NEW_TOKENS as NEW_TOKENS,
    TEMPERATURE as TEMPERATURE,
    TEXTS as TEXTS,
    ClassCount as ClassCount,
    ReadingShares as ReadingShares,
)
from .reading_trials import suggest_dose as suggest_dose
from .request import Request as Request
from .suggestion import Suggestion as Suggestion, suggest as suggest
from .token_classes import (
    TokenClasses as TokenClasses,
    token_words as token_words,
    typical_tokens as typical_tokens,
)
from .vector_file import SUFFIXES as SUFFIXES, load_vector as load_vector, read_vector as read_vector
from .vector_spec import (
    MAX_VECTORS as MAX_VECTORS,
    MAX_WEIGHT as MAX_WEIGHT,
    VectorSpec as VectorSpec,
    Weighted as Weighted,
    parse_vector as parse_vector,
    parse_weighted as parse_weighted,
)
from .vectors import (
    contrast_vector as contrast_vector,
    feature_vector as feature_vector,
    median_norm as median_norm,
    native_vectors as native_vectors,
)
