from . import library as library
from .archive import archive_size as archive_size, export_study as export_study, import_study as import_study
from .cohort_draws import (
    EQUIVARIANT as EQUIVARIANT,
    ROTATIONS as ROTATIONS,
    FurtherRotations as FurtherRotations,
    Law as Law,
    PairDraw as PairDraw,
    RotationDraws as RotationDraws,
    Uniformity as Uniformity,
    lawful_pairs as lawful_pairs,
    rotation_draws as rotation_draws,
)
from .cohorts import NOT_A_SEED as NOT_A_SEED, SHARED as SHARED, share_weights as share_weights
from .feature_tables import (
    CORRESPONDENCE as CORRESPONDENCE,
    HALF as HALF,
    LAYOUT as LAYOUT,
    READINGS as READINGS,
    read_optional as read_optional,
    shrink_table as shrink_table,
)
from .file_names import (
    CARRIED_READERS as CARRIED_READERS,
    ONE_SPACE as ONE_SPACE,
    READING_SHARES as READING_SHARES,
    RESPONSES as RESPONSES,
    SIMILARITY as SIMILARITY,
    SUBSTITUTION as SUBSTITUTION,
    WARM_START as WARM_START,
    WEIGHT_SPACE as WEIGHT_SPACE,
)
from .library import (
    SHIPPED as SHIPPED,
    OwnStudy as OwnStudy,
    adopt as adopt,
    check_room as check_room,
    free_name as free_name,
    open_study as open_study,
    own_names as own_names,
    own_studies as own_studies,
    shipped_pair as shipped_pair,
    shipped_studies as shipped_studies,
    study_folder as study_folder,
    unfinished_folder as unfinished_folder,
)
from .owners import acting_for as acting_for, ask_owner as ask_owner, owner as owner
from .pair_tensors import save_tensors as save_tensors, shrink_maps as shrink_maps
from .provenance_note import provenance as provenance
from .recordings import (
    CORRELATION as CORRELATION,
    RECORDING as RECORDING,
    RecordedRun as RecordedRun,
    Recording as Recording,
    WrittenToken as WrittenToken,
    read_correlation as read_correlation,
    read_recording as read_recording,
)
from .schema import (
    SCHEMA as SCHEMA,
    DictionaryEntry as DictionaryEntry,
    ModelEntry as ModelEntry,
    ModelKind as ModelKind,
    PairEntry as PairEntry,
    StudyFile as StudyFile,
)
from .stage_material import (
    INSIDE as INSIDE,
    MOTION as MOTION,
    MOTION_FIELDS as MOTION_FIELDS,
    REGISTER_FIELDS as REGISTER_FIELDS,
    STAGE as STAGE,
    Answer as Answer,
    Detector as Detector,
    InsideSite as InsideSite,
    Motion as Motion,
    NextWord as NextWord,
    Register as Register,
    StageMaterial as StageMaterial,
    ThreeGroups as ThreeGroups,
    TurnedSite as TurnedSite,
    read_inside as read_inside,
    read_material as read_material,
    read_motion as read_motion,
    read_register as read_register,
)
from .study import (
    Study as Study,
)
from .study_vectors import contrast_of as contrast_of, native_vector as native_vector, own_vector as own_vector
from .training_rows import FILE as FILE, TrainingRow as TrainingRow, read_training_table as read_training_table
from .verdict_marks import Mark as Mark, Reference as Reference, references as references, verdict_axis as verdict_axis
