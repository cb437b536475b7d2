from .dictionary import draw_opening as draw_opening
from .questions import draw_questions as draw_questions
from .reasons import draw_axis as draw_axis, draw_reasons as draw_reasons
