from . import polypythias as polypythias
from .branches import BranchEffects as BranchEffects, branch_effects as branch_effects
from .device import bfloat16_pays as bfloat16_pays, choose_device as choose_device, moved as moved
from .hooks import edit_residual as edit_residual, residuals as residuals, start_at as start_at
from .hub import (
    Located as Located,
    check_folder as check_folder,
    digest as digest,
    locate_model as locate_model,
    read_config as read_config,
)
from .hub_answers import (
    asked_again as asked_again,
    first_line as first_line,
    hub_said as hub_said,
    is_offline as is_offline,
    quieten as quieten,
    within_patience as within_patience,
)
from .hub_name import named_on_hub as named_on_hub
from .language_model import (
    LONGEST as LONGEST,
    LanguageModel as LanguageModel,
    find_blocks as find_blocks,
    load_model as load_model,
    load_tokenizer as load_tokenizer,
)
from .logit_lens import logit_effect as logit_effect, promoted_tokens as promoted_tokens
from .massive import BATCH as BATCH, MASSIVE as MASSIVE, NormLimits as NormLimits
from .pickled import converted_file as converted_file
from .polypythias import BAD_UPLOADS as BAD_UPLOADS, SEEDS as SEEDS, SIZES as SIZES, preset as preset
from .prompts import check_prompt as check_prompt, check_readable as check_readable, spelled as spelled
from .shape import ModelShape as ModelShape, read_shape as read_shape, shape_of as shape_of
from .sites import (
    Site as Site,
    all_sites as all_sites,
    first_middle_last as first_middle_last,
    parse_site as parse_site,
    parse_sites as parse_sites,
    residual_index as residual_index,
)
from .slices import split_settings as split_settings, whole as whole
from .tokens import (
    Begin as Begin,
    begin_token as begin_token,
    check_characters as check_characters,
    same_ids as same_ids,
    special_tokens as special_tokens,
    token_ids as token_ids,
    token_pieces as token_pieces,
    token_text as token_text,
    tokenised as tokenised,
    word_at as word_at,
)
