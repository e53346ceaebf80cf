"""Images: a URL becomes a verified file, whole or not at all."""

from batchgen.images.data_uri import parse_data_uri
from batchgen.images.process import ImageProcess
from batchgen.images.saved import SavedImage
from batchgen.images.shared_sync import shared_sync
from batchgen.images.store import ImageStore
from batchgen.images.web import FetchLimits

__all__ = [
    "FetchLimits",
    "ImageProcess",
    "ImageStore",
    "SavedImage",
    "parse_data_uri",
    "shared_sync",
]
