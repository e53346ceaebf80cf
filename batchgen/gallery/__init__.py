"""A page to look at a batch: one folder that opens from disk, without a server."""

from batchgen.gallery.making import Gallery, make_gallery

__all__ = ["Gallery", "make_gallery"]
