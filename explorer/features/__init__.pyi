from . import feature_search as feature_search, feature_table as feature_table
from .activation_histograms import readings as readings
from .context_tally import PER_QUARTER as PER_QUARTER
from .contexts import Context as Context, sentence_around as sentence_around, top_contexts as top_contexts
from .correspondence import correspond as correspond
from .decoder_cosine import decoder_cosines as decoder_cosines
from .decoder_matching import decoder_match as decoder_match
from .decoder_mcc import decoder_mccs as decoder_mccs
from .feature_catalogue import catalogue as catalogue
from .feature_search import PLACES as PLACES, Query as Query, context_words as context_words
from .feature_table import (
    CLEAR as CLEAR,
    FATES as FATES,
    SAME as SAME,
    SOME as SOME,
    fate as fate,
    has_labels as has_labels,
    has_partners as has_partners,
    kept_labels as kept_labels,
    null_share as null_share,
)
from .own_text import MAX_CHARACTERS as MAX_CHARACTERS, TextFiring as TextFiring, read_text as read_text
from .region_names import LEVEL as LEVEL, RegionName as RegionName, name_regions as name_regions
from .stars import NOTE as NOTE, Star as Star, export_stars as export_stars, import_stars as import_stars
from .substitution import (
    CHOOSING as CHOOSING,
    EDITED as EDITED,
    SUBSTITUTION_ROWS as SUBSTITUTION_ROWS,
    matches_of as matches_of,
    substitute as substitute,
)
from .umap_layout import site_layout as site_layout
