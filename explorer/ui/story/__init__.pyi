from .stage import draw_story as draw_story
