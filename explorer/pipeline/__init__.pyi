from . import estimate as estimate
from .allowed_paths import roots as roots
from .asked_checks import AskedCheck as AskedCheck, forget as forget, lost as lost
from .carried_files import labelled_tokens as labelled_tokens
from .check_form import (
    LEAST_TOKENS as LEAST_TOKENS,
    MAX_LENGTH as MAX_LENGTH,
    CheckRequest as CheckRequest,
    Fields as Fields,
    examine as examine,
    short_name as short_name,
)
from .check_options import (
    LEAST_CONTEXT as LEAST_CONTEXT,
    MOST_READ as MOST_READ,
    CheckOptions as CheckOptions,
    Checkpoint as Checkpoint,
)
from .check_outputs import sweep_outputs as sweep_outputs
from .check_process import check_in_process as check_in_process
from .check_queue import CHECKS as CHECKS, CheckJob as CheckJob, Work as Work
from .default_text import offers_corpus as offers_corpus
from .estimate import CheckEstimate as CheckEstimate, needed as needed, planned_fit as planned_fit
from .feature_files import lay_out as lay_out, write_layout as write_layout, write_layouts as write_layouts
from .further_rotations import measure_further_rotations as measure_further_rotations
from .known_text import knows as knows
from .machine_room import check_request as check_request, machine_memory as machine_memory
from .one_space_files import check_one_space as check_one_space, measure_study_space as measure_study_space
from .progress import CheckProgress as CheckProgress
from .recording import (
    lacks_run as lacks_run,
    record_study as record_study,
)
from .run_check import check as check, follow as follow
from .shrinking import shrink_study as shrink_study
from .study_measurement import (
    Yardstick as Yardstick,
    library_versions as library_versions,
    measure_study as measure_study,
)
from .warm_start_files import train_on as train_on
