from .models import make_models as make_models
from .recipe import DyckRecipe as DyckRecipe, DyckWorkshop as DyckWorkshop, make_dictionaries as make_dictionaries
from .study import build_study as build_study
