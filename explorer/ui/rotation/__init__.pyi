from .questions import draw_questions as draw_questions
