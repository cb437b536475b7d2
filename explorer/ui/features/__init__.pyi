from . import (
    cache as cache,
    card as card,
    maps as maps,
    stars as stars,
    table as table,
)
from .decoder_match import draw_decoder_story as draw_decoder_story
