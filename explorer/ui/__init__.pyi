from . import cache as cache
from .browser import browser_script as browser_script
from .explain import verdict as verdict, what_is_this as what_is_this
from .frame import View as View, choice as choice, current_palette as current_palette, draw_frame as draw_frame
from .notices import notice as notice, wrong as wrong
from .pages import PAGES as PAGES
from .serving import guards as guards
from .share import begin_page as begin_page, page_button as page_button
from .style import apply_style as apply_style, page_style as page_style
from .tour import tour_button as tour_button
from .visitor import know_visitors as know_visitors
