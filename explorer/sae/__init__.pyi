from .activation_buffer import (
    Part as Part,
    after_first as after_first,
    read_rows as read_rows,
    shuffled_batches as shuffled_batches,
)
from .architecture import Architecture as Architecture
from .beginning import begin_from as begin_from
from .fit import POOL as POOL, ROWS as ROWS, check_recipe as check_recipe, fit_dictionary as fit_dictionary
from .sae import SAE as SAE
from .trainer import SAERecipe as SAERecipe, SAETrainer as SAETrainer, train_sae as train_sae
