from . import figures as figures
from .dial import stage_dial as stage_dial
