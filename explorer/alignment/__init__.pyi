from . import maps as maps
from .carried_results import (
    CarriedReaders as CarriedReaders,
    LensTransfer as LensTransfer,
    ProbeTransfer as ProbeTransfer,
)
from .control_runs import (
    UNTRAINED_SEEDS as UNTRAINED_SEEDS,
    chunks_digest as chunks_digest,
    controls as controls,
    precision_key as precision_key,
)
from .decoder_match_results import (
    BINS as BINS,
    CASES as CASES,
    THRESHOLD as THRESHOLD,
    Chance as Chance,
    CosineSummary as CosineSummary,
    DecoderMatch as DecoderMatch,
    DecoderStory as DecoderStory,
    Family as Family,
    FamilyMatch as FamilyMatch,
    MatchedDictionary as MatchedDictionary,
    SiteMatch as SiteMatch,
)
from .dictionary_results import (
    READINGS as READINGS,
    DialCurve as DialCurve,
    DialLines as DialLines,
    Reading as Reading,
    Scale as Scale,
    Scores as Scores,
    dial_lines as dial_lines,
    restored as restored,
    told as told,
)
from .dictionary_scorer import FeatureFiring as FeatureFiring
from .first_pass import SHUFFLES as SHUFFLES
from .geodesic import Dial as Dial, dial as dial
from .grounds import (
    ROTATION as ROTATION,
    recovered as recovered,
    rotation_nulls as rotation_nulls,
    rotation_seam as rotation_seam,
)
from .growing import Grown as Grown, grow as grow, portion_step as portion_step
from .growing_rows import KEPT_ROWS as KEPT_ROWS
from .haar_test import CHEAP as CHEAP, HAAR_DRAWS as HAAR_DRAWS, MORE_DRAWS as MORE_DRAWS, POWERS as POWERS
from .lens import logit_lens as logit_lens
from .lens_transfer import carry_lenses as carry_lenses
from .lineage import Lineage as Lineage, tell_lineage as tell_lineage
from .lowered import lower_pair as lower_pair, lowered_words as lowered_words
from .map_registry import (
    MAPS as MAPS,
    FitMoments as FitMoments,
    arms as arms,
    colour_of as colour_of,
    rungs as rungs,
    seams as seams,
    shown as shown,
)
from .map_results import FitCurve as FitCurve, GateNulls as GateNulls, StitchScores as StitchScores
from .maps import ResidualMap as ResidualMap
from .moment_cache import KEPT_MOMENTS as KEPT_MOMENTS
from .moments import CrossMoments as CrossMoments, Moments as Moments
from .nulls import DRAWS as DRAWS
from .one_space import measure_one_space as measure_one_space
from .one_space_results import OneSpace as OneSpace, SpaceSite as SpaceSite
from .orthogonal import haar as haar
from .pair import Pair as Pair, check_comparable as check_comparable, measure_pair as measure_pair
from .pair_verdict import (
    Decisive as Decisive,
    deciding_site as deciding_site,
    decisive as decisive,
    exit_code as exit_code,
    which_is_what as which_is_what,
)
from .pairing import paired_rows as paired_rows
from .portions import SPARE as SPARE
from .probe_transfer import carry_probes as carry_probes
from .reader_files import (
    as_affine as as_affine,
    as_torch as as_torch,
    read_lenses as read_lenses,
    read_probe as read_probe,
)
from .result_json import decode_result as decode_result, encode_result as encode_result
from .results import (
    BootstrapUnit as BootstrapUnit,
    FunctionResult as FunctionResult,
    PairResult as PairResult,
    ReadText as ReadText,
    Rows as Rows,
    SiteResult as SiteResult,
    VerdictName as VerdictName,
)
from .rotation_facts import HAAR_LEVEL as HAAR_LEVEL, deviates as deviates, other_length as other_length
from .rotation_results import (
    HaarTest as HaarTest,
    RotationFacts as RotationFacts,
    RotationTest as RotationTest,
    Spectrum as Spectrum,
)
from .second_pass import Cloud as Cloud
from .similarity_pass import measure_similarity as measure_similarity
from .similarity_results import (
    CalibratedIndex as CalibratedIndex,
    DecoderMcc as DecoderMcc,
    IndexName as IndexName,
    PairSimilarity as PairSimilarity,
    SiteSimilarity as SiteSimilarity,
    UnpairedFit as UnpairedFit,
)
from .site_maps import LEAST_ROWS_PER_DIMENSION as LEAST_ROWS_PER_DIMENSION, SiteMaps as SiteMaps
from .stitching import LOGITS as LOGITS, TOKENS as TOKENS, unigram as unigram
from .substitution_results import (
    MATTERS as MATTERS,
    FeatureSubstitution as FeatureSubstitution,
    PairSubstitution as PairSubstitution,
    SiteSubstitution as SiteSubstitution,
    SubstitutionSummary as SubstitutionSummary,
)
from .token_means import LEAST_SEEN as LEAST_SEEN
from .turned_cohort import TURNS as TURNS, fit_rotations as fit_rotations, uniformity as uniformity
from .twin import make_twin as make_twin, symmetry_of as symmetry_of, twin_rotation as twin_rotation
from .unpaired_pass import measure_unpaired as measure_unpaired
from .verdict import (
    CE_LEAST as CE_LEAST,
    DRIFTED_SHARE as DRIFTED_SHARE,
    DRIFTED_TRACE as DRIFTED_TRACE,
    EV_LEAST as EV_LEAST,
    MEANING as MEANING,
    MOSTLY as MOSTLY,
    NEARLY_ALL as NEARLY_ALL,
    NULL_MARGIN as NULL_MARGIN,
    SCALE_TOLD as SCALE_TOLD,
    SHARED_SHARE as SHARED_SHARE,
    SHARED_TRACE as SHARED_TRACE,
    STRETCHED as STRETCHED,
)
from .warm_start import WarmStart as WarmStart, curve_rows as curve_rows, measure_warm_start as measure_warm_start
from .warm_start_results import PairWarmStart as PairWarmStart, SiteWarmStart as SiteWarmStart
from .weight_space import has_weight_space as has_weight_space, measure_weight_space as measure_weight_space
from .weight_space_results import PathName as PathName, WeightSpace as WeightSpace
