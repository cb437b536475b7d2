from .dictionary import draw_bars as draw_bars, draw_dictionary as draw_dictionary
from .questions import draw_questions as draw_questions
from .reasons import draw_axis as draw_axis, draw_reasons as draw_reasons
