"""The formats that a batch can be exported to, what each needs, and what each is good for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from batchgen.errors import UsageError
from batchgen.exports.csv_table import SPLIT, CsvTable
from batchgen.exports.image_files import FILE_NAME, ImageFiles
from batchgen.exports.imagefolder import ImageFolder, make_csv, make_jsonl
from batchgen.exports.limits import XLSX, Limits
from batchgen.exports.webdataset import WebDataset
from batchgen.exports.writer import Shape, Writer

IMAGE = "image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What some formats want to know besides.

    Attributes:
        metadata: The kind of table that an image folder has: `csv`, `jsonl` or `parquet`.
        shard_images: The most images in a shard.
        shard_bytes: The size at which a shard is full, in bytes.
    """

    metadata: str
    shard_images: int
    shard_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format.

    Attributes:
        name: What `--to` calls it.
        make: Opens a writer of it.
        holds_images: Whether images are in it; else it is a table, and takes every row.
        places_files: Whether each image is a file of its own, which may be a link.
        names_files: Whether files are called as the batch, or `--name`, has them.
        taken: Columns that it fills in itself.
        endings: What no other column's name may end with in it.
        package: What has to be there to write it, or `""`.
        limits: What it can hold; None where that is no matter.
    """

    name: str
    make: Callable[[Shape, Making], Writer]
    holds_images: bool = True
    places_files: bool = False
    names_files: bool = False
    taken: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    package: str = ""
    limits: Limits | None = None


def _image_folder(shape: Shape, making: Making) -> Writer:
    if making.metadata == "parquet":
        from batchgen.exports.parquet_table import make_parquet  # noqa: PLC0415 - may be missing

        return ImageFolder(shape, ending="parquet", make=make_parquet)
    make = make_csv if making.metadata == "csv" else make_jsonl
    return ImageFolder(shape, ending=making.metadata, make=make)


def _parquet(shape: Shape, making: Making) -> Writer:
    from batchgen.exports.parquet_images import ParquetImages  # noqa: PLC0415 - may be missing

    return ParquetImages(shape, shard_images=making.shard_images, shard_bytes=making.shard_bytes)


def _web_dataset(shape: Shape, making: Making) -> Writer:
    return WebDataset(shape, shard_images=making.shard_images, shard_bytes=making.shard_bytes)


def _xlsx(shape: Shape, making: Making) -> Writer:
    del making
    from batchgen.exports.xlsx_table import XlsxTable  # noqa: PLC0415 - may be missing

    return XlsxTable(shape)


FORMATS = {
    one.name: one
    for one in (
        Format(
            name="imagefolder",
            make=_image_folder,
            places_files=True,
            taken=(FILE_NAME, "file_names", IMAGE),
            endings=("_file_name", "_file_names"),  # `datasets` takes such cells for paths
        ),
        Format(name="parquet", make=_parquet, taken=(IMAGE,), package="pyarrow"),
        Format(name="webdataset", make=_web_dataset),
        Format(
            name="captions",
            make=lambda shape, _: ImageFiles(shape, has_captions=True),
            places_files=True,
            names_files=True,
            taken=(FILE_NAME,),
        ),
        Format(
            name="files",
            make=lambda shape, _: ImageFiles(shape, has_captions=False),
            places_files=True,
            names_files=True,
            taken=(FILE_NAME,),
        ),
        Format(
            name="csv",
            make=lambda shape, _: CsvTable(shape),
            holds_images=False,
            taken=(SPLIT,),
        ),
        Format(
            name="xlsx",
            make=_xlsx,
            holds_images=False,
            taken=(SPLIT,),
            package="xlsxwriter",
            limits=XLSX,
        ),
    )
}


def require_package(package: str, *, purpose: str) -> None:
    """Return if a package is installed.

    Args:
        package: As it is imported; `""` for none.
        purpose: What it is needed for: `--to parquet`.

    Raises:
        UsageError: It is not; the message has the line to type.
    """
    if not package:
        return
    try:
        import_module(package)
    except ImportError:
        raise UsageError(
            f"{purpose} needs {package}, which is not installed:\n"
            "    pip install 'batchgen[datasets]'\n"
            "  Without it: --to imagefolder --metadata csv, captions, files, webdataset, csv."
        ) from None
