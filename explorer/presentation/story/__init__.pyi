from . import figures as figures, phone as phone
from .dial import stage_dial as stage_dial
from .hands import clock_hands as clock_hands
from .name_places import PHONE as PHONE
from .random_rows import random_scene as random_scene
from .register import in_register as in_register
from .steering_words import (
    Counter as Counter,
    count_board as count_board,
    panes as panes,
    stored_counter as stored_counter,
)
from .words import answer as answer, detector as detector
