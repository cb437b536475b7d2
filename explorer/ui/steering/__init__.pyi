from .control_panel import controls as controls
from .dose_panel import draw_dose as draw_dose
from .lanes_panel import LaneDesk as LaneDesk, draw_bench as draw_bench
from .strip_panel import draw_strip as draw_strip
from .transfer_panel import draw_transfer as draw_transfer
from .vector_cache import class_signs as class_signs, ingredients as ingredients
