from .form import draw_fields as draw_fields, draw_needs as draw_needs, fill as fill
from .job import draw_job as draw_job, draw_start as draw_start
from .result import draw_figures as draw_figures, draw_verdict as draw_verdict
from .studies import draw_studies as draw_studies, draw_way_out as draw_way_out
