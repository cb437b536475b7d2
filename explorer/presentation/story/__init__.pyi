from . import figures as figures
from .dial import stage_dial as stage_dial
from .random_rows import random_scene as random_scene
from .words import answer as answer, detector as detector
