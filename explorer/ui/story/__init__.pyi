from .keys import listen as listen
from .stage import draw_story as draw_story
