from . import random_words as random_words, scenes as scenes
from .bundle_table import BundleTable as BundleTable, compare_bundle as compare_bundle
from .carried_words import lens_told as lens_told, probe_told as probe_told, weights_told as weights_told
from .claim_captions import HELP as HELP, POLY_PYTHIAS as POLY_PYTHIAS
from .claims import (
    TOY as TOY,
    Agreement as Agreement,
    Reading as Reading,
    read_claims as read_claims,
    read_on as read_on,
    summary as summary,
)
from .dictionary_words import (
    READ_AS as READ_AS,
    came_back as came_back,
    evs as evs,
    on_rows as on_rows,
)
from .glossary import TERMS as TERMS, Term as Term
from .one_space_words import one_space_told as one_space_told
from .paper_bundle import read_bundle as read_bundle
from .rehearsal import Check as Check, preflight as preflight
from .rotation_words import from_identity as from_identity, paper_test as paper_test
from .scenes import Scene as Scene
from .similarity_words import (
    INDEX_NAMES as INDEX_NAMES,
    NO_NULL as NO_NULL,
    placed as placed,
    says_nothing as says_nothing,
    similarity_told as similarity_told,
    unpaired_told as unpaired_told,
)
from .story import Chapter as Chapter, Story as Story, open_story as open_story
from .story_facts import (
    cosine_family as cosine_family,
    dials as dials,
    matched as matched,
    plane_angles as plane_angles,
    turned as turned,
)
from .story_steering import (
    COUNTED as COUNTED,
    Offer as Offer,
    count_sentence as count_sentence,
    name_in as name_in,
    offers as offers,
    recorded_run as recorded_run,
    renamed as renamed,
    to_a_sentence as to_a_sentence,
)
from .substitution_words import (
    stands_in as stands_in,
    substitution_definition as substitution_definition,
    substitution_told as substitution_told,
)
from .warm_start_words import warm_start_told as warm_start_told
