from . import outputs as outputs
from .html import report_html as report_html
from .make import make_report as make_report, sites_csv as sites_csv
from .outputs import Output as Output
from .overview import (
    Checked as Checked,
    Difference as Difference,
    compare as compare,
    folder_names as folder_names,
    read_report as read_report,
    write_overview as write_overview,
)
from .schema import Circumstances as Circumstances, ModelFacts as ModelFacts, Models as Models, Report as Report
