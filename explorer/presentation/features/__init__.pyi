from . import (
    captions as captions,
    decoder_match as decoder_match,
    decoder_match_captions as decoder_match_captions,
    densities as densities,
    map_colours as map_colours,
    map_tables as map_tables,
    maps as maps,
    stand_in as stand_in,
    steering_words as steering_words,
)
from .captions import spoken as spoken
from .card_export import card_json as card_json, card_svg as card_svg, scale as scale, shade as shade
from .decoder_match import FAMILIES as FAMILIES
from .help_text import HELP as HELP
