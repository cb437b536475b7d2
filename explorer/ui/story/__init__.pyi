from . import stage as stage
from .stage import draw_story as draw_story
