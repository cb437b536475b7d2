from . import captions as captions
from .figure_data import figure_csv as figure_csv, table_csv as table_csv
from .handout_page import HandoutPart as HandoutPart, handout as handout
from .plots import CONFIG as CONFIG, settle as settle
from .tour import Part as Part, TourModel as TourModel, described as described, drawing as drawing, steps as steps
