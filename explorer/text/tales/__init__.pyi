from . import stories as stories
from .corpus import Tales as Tales
