from .recipe import (
    Log as Log,
    TalesRecipe as TalesRecipe,
    Workshop as Workshop,
    activation_batches as activation_batches,
    document_loss as document_loss,
    make_corpus as make_corpus,
    make_dictionaries as make_dictionaries,
    make_models as make_models,
    train_phase as train_phase,
)
from .study import HELD_OUT as HELD_OUT, build_study as build_study, model_entry as model_entry
