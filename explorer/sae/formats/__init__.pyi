from .hub_dictionaries import dictionary_path as dictionary_path, is_hub_dictionary as is_hub_dictionary
from .registry import at_site as at_site, load_sae as load_sae, load_saes as load_saes
from .saelens import save_sae as save_sae
