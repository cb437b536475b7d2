from .dictionaries import USES as USES, make_dictionaries as make_dictionaries, pool_batches as pool_batches
from .models import document_loss as document_loss, make_models as make_models
from .recipe import Log as Log, TalesRecipe as TalesRecipe, Workshop as Workshop, own_text_recipe as own_text_recipe
from .stream import training_stream as training_stream
from .study import build_study as build_study, model_entry as model_entry, tales_file as tales_file
