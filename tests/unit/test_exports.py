"""What an export is told, and what it makes of it, without a disk."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

import batchgen
from batchgen.cli import export, export_options
from batchgen.errors import ExportError, UsageError
from batchgen.exports import (
    ALL,
    FORMATS,
    METADATA,
    STATUSES,
    ExportOptions,
    parse_copy,
    parse_dedup,
    parse_resize,
    parse_size,
    parse_splits,
    parse_statuses,
)
from batchgen.exports.census import MOST_VALUES, Axis, Census
from batchgen.exports.columns import QUALITY, Column, Copy, Kind, Value, lay_out
from batchgen.exports.guesses import Guesses
from batchgen.exports.likeness import find_near, find_same
from batchgen.exports.limits import XLSX
from batchgen.exports.picture import Resize
from batchgen.exports.selection import parse_where
from batchgen.exports.splits import take_grouping
from batchgen.exports.wording import Wording
from batchgen.ledger import HEAD, TAIL, Columns, LedgerRow

LEDGER = (*HEAD, "aspect_ratio", "style", "animal.name", "animal.home", *TAIL)


def record(**cells: str) -> dict[str, str]:
    return {**dict.fromkeys(LEDGER, ""), "job_id": "k" * 16, "image_index": "0", **cells}


def test_the_command_offers_what_there_is() -> None:
    assert set(export_options.FORMAT_NAMES) == set(FORMATS)
    assert export_options.METADATA_NAMES == METADATA
    assert (*STATUSES, ALL) == export_options.STATUS_NAMES


def test_the_page_of_exports_has_every_format_every_option_and_every_column() -> None:
    page = (Path(__file__).parents[2] / "docs" / "exports.md").read_text(encoding="utf-8")
    options = [option.opts[0] for option in export.command.params if option.opts[0] != "batch"]

    elsewhere = {"--jobs-dir", "--out", "--to"}  # on every page, or in its first line
    for name in (*FORMATS, *QUALITY, *set(options) - elsewhere):
        assert f"`{name}" in page, name


@pytest.mark.parametrize(
    ("parse", "text", "said"),
    [
        pytest.param(
            parse_splits, "train", "as in train=0.9,test=0.1", id="a split without a share"
        ),
        pytest.param(parse_splits, "train=0.9", "add up to 0.9", id="splits that leave a rest"),
        pytest.param(parse_splits, "a=0.5,a=0.5", "It takes names", id="a split named twice"),
        pytest.param(parse_splits, "a=0,b=1", "It takes names", id="a split of nothing"),
        pytest.param(parse_splits, "../x=1", "It takes names", id="a split that is a path"),
        pytest.param(parse_splits, "a=NaN,b=1", "It takes names", id="a share that is no number"),
        pytest.param(parse_dedup, "close", "exact, near", id="an unknown way to compare"),
        pytest.param(parse_dedup, "near:21", "0 to 20", id="a threshold that joins everything"),
        pytest.param(parse_dedup, "near:-1", "0 to 20", id="a threshold below nothing"),
        pytest.param(parse_resize, "small", "1024x768", id="a size in words"),
        pytest.param(parse_resize, "0", "1024x768", id="a size of nothing"),
        pytest.param(parse_size, "many", "200MB", id="shards of a size in words"),
        pytest.param(parse_size, "0MB", "200MB", id="shards of nothing"),
        pytest.param(parse_copy, "prompt", "text=prompt", id="a copy without a name"),
        pytest.param(parse_copy, "=prompt", "text=prompt", id="a copy with an empty name"),
    ],
)
def test_an_option_that_does_not_fit_says_what_would(parse: object, text: str, said: str) -> None:
    assert callable(parse)
    with pytest.raises(UsageError, match=said):
        parse(text)


def test_options_are_read_as_they_are_written() -> None:
    assert parse_resize("512") == Resize(width=512, height=512)
    assert parse_resize("1024X768") == Resize(width=1024, height=768)
    assert [parse_size(text) for text in ("10", "2kb", "200MB", "1 G")] == [
        10,
        2_000,
        200_000_000,
        1_000_000_000,
    ]
    assert parse_dedup("near:4").threshold == 4
    assert parse_dedup("near").exact
    assert not parse_dedup("").exact
    assert parse_statuses(()) == {"succeeded"}
    assert parse_statuses(("failed", "all")) == set(STATUSES)
    assert parse_copy("text=row = x") == Copy(name="text", source="row = x")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"to": "imagefolder", "statuses": frozenset({"failed"})}, "Tables take every row"),
        ({"to": "webdataset", "is_linked": True}, "captions, files have"),
        ({"to": "files", "is_linked": True, "resize": Resize(width=1, height=1)}, "another file"),
        ({"to": "csv", "resize": Resize(width=1, height=1)}, "holds no images"),
        ({"to": "imagefolder", "name": "{{ style }}"}, "captions, files take names"),
        ({"to": "files", "metadata": "csv"}, "imagefolder has"),
        ({"to": "files", "group_by": ("style",)}, "add --split"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_options_that_do_not_go_together_are_refused(changes: dict[str, object], said: str) -> None:
    options = ExportOptions(out=Path("x"), **changes)  # type: ignore[arg-type]  # a table of them

    with pytest.raises(UsageError, match=said):
        options.check()


def test_where_takes_any_value_of_one_column_and_all_columns() -> None:
    where = parse_where(["style=a", "style=b=c", "aspect_ratio=16:9"], columns=LEDGER)

    assert where == {"style": {"a", "b=c"}, "aspect_ratio": {"16:9"}}


def test_where_with_a_column_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'style'"):
        parse_where(["stile=a"], columns=LEDGER)


# Of the groups "0" to "7".
FIRST_SPLITS = ["train", "train", "valid", "train", "train", "test", "test", "train"]


class TestSplits:
    def test_shares_come_out_as_asked_and_never_change(self) -> None:
        splits = parse_splits("train=0.8,valid=0.1,test=0.1")
        names = [splits.of([str(number)]) for number in range(10_000)]

        assert names == [splits.of([str(number)]) for number in range(10_000)]
        assert 7_800 < names.count("train") < 8_200
        assert 850 < names.count("test") < 1_150
        # What is on record of an earlier version has to stay true: this is the hash.
        assert names[:8] == FIRST_SPLITS

    def test_a_larger_share_only_takes_from_its_neighbour(self) -> None:
        before, after = parse_splits("train=0.8,test=0.2"), parse_splits("train=0.9,test=0.1")

        moved = [
            number
            for number in map(str, range(1_000))
            if before.of([number]) == "train" and after.of([number]) == "test"
        ]
        assert moved == []

    @pytest.mark.parametrize(
        ("prompt", "rows", "expected"),
        [
            pytest.param(
                "{{ style }}", ["ink", "oil"], 2, id="the prompt is the same in each take"
            ),
            pytest.param("{{ style }} {{ repeat }}", ["ink", "oil"], 2, id="it names the take"),
            pytest.param(None, ["ink", "oil"], 2, id="it is all that tells rows apart"),
        ],
    )
    def test_takes_of_one_combination_have_one_key(
        self, prompt: str | None, rows: list[str], expected: int
    ) -> None:
        told = {"prompt": prompt, "grid": {"style": rows}} if prompt else {"grid": {"prompt": rows}}
        manifest = batchgen.load_manifest({"batch": "b", "repeat": 3, **told})
        columns = Columns(parameters=manifest.parameters, variables=manifest.variables)
        grouping = take_grouping(columns.header, manifest)

        jobs = [LedgerRow(job=job, status="succeeded").cells(columns) for job in manifest.jobs()]
        keys = {
            tuple(grouping.key(dict(zip(columns.header, cells, strict=True)))) for cells in jobs
        }

        assert len(jobs) == 6
        assert len(keys) == expected


class TestColumns:
    def test_everything_in_the_ledger_is_there_and_what_the_images_show_behind_it(self) -> None:
        names = [column.name for column in lay_out(LEDGER, taken=())]

        assert tuple(names[: len(LEDGER)]) == LEDGER
        assert names[len(LEDGER) :] == [
            "blank",
            "duplicate_of",
            "near_duplicate_of",
            "near_distance",
            "phash",
        ]

    def test_a_copy_stands_first_and_its_source_stays(self) -> None:
        columns = lay_out(LEDGER, taken=(), copies=[Copy(name="text", source="prompt")])

        assert columns[0] == Column(name="text", kind=Kind.TEXT, source="prompt")
        assert "prompt" in [column.name for column in columns[1:]]

    def test_a_caption_can_be_copied(self) -> None:
        columns = lay_out(
            LEDGER, taken=(), copies=[Copy(name="text", source="caption")], has_caption=True
        )

        assert [column.name for column in columns[:2]] == ["text", "caption"]
        assert columns[0].source == columns[1].source

    def test_a_variable_that_is_named_like_a_column_of_ours_gets_another_name(self) -> None:
        ledger = (*HEAD, "image", "blank", "var.blank", *TAIL)
        columns = lay_out(ledger, taken=("file_name", "image"))
        by_source = {column.source: column.name for column in columns}

        assert by_source["image"] == "var.image"
        assert by_source["blank"] == "var.var.blank"
        assert by_source["var.blank"] == "var.blank"
        assert len({column.name for column in columns}) == len(columns)

    def test_a_name_that_a_loader_would_take_for_a_path_gets_another(self) -> None:
        columns = lay_out((*HEAD, "logo_file_name", *TAIL), taken=(), endings=("_file_name",))

        assert {"logo_file_name_"} == {one.name for one in columns if "logo" in one.name}

    @pytest.mark.parametrize("name", ["prompt", "image", "blank", "text"])
    def test_a_copy_takes_no_name_that_is_there(self, name: str) -> None:
        copies = [Copy(name="text", source="prompt"), Copy(name=name, source="prompt")]

        with pytest.raises(UsageError, match=f"a column '{name}' already"):
            lay_out(LEDGER, taken=("image",), copies=copies)

    def test_a_copy_of_what_is_not_there_says_what_is(self) -> None:
        with pytest.raises(UsageError, match="Did you mean 'prompt'"):
            lay_out(LEDGER, taken=(), copies=[Copy(name="text", source="promt")])

    @pytest.mark.parametrize(
        ("name", "cell", "value"),
        [
            ("style", "007", "007"),
            ("aspect_ratio", "16:9", "16:9"),
            ("style", "NA", "NA"),
            ("style", "", ""),
            ("seed", "2147483647", 2147483647),
            ("seed", "", None),
            ("cost_usd", "0.08", 0.08),
            ("finished_at", "", None),
            ("finished_at", "2026-11-22T21:30:09.250Z", "2026-11-22T21:30:09.250Z"),
        ],
    )
    def test_text_stays_text_and_numbers_become_numbers(
        self, name: str, cell: str, value: Value
    ) -> None:
        column = next(one for one in lay_out(LEDGER, taken=()) if one.name == name)

        assert column.value({name: cell}) == value


class TestLikeness:
    def test_the_same_bytes_are_found_and_the_first_stands_for_all(self) -> None:
        digests = [b"a", b"b", b"a", b"a", b"b"]

        assert find_same(digests, among=[True] * 5) == {2: 0, 3: 0, 4: 1}
        assert find_same(digests, among=[False, True, True, True, True]) == {3: 2, 4: 1}

    def test_what_differs_in_few_bits_looks_alike(self) -> None:
        near = find_near([0, 0b111111, 0b1111111, 2**64 - 1], among=[True] * 4, threshold=6)

        assert {place: (one.place, one.distance) for place, one in near.items()} == {1: (0, 6)}

    def test_a_chain_of_small_steps_does_not_swallow_its_far_end(self) -> None:
        steps = [(1 << bits) - 1 for bits in range(0, 33, 4)]

        near = find_near(steps, among=[True] * len(steps), threshold=6)

        assert sorted(set(range(len(steps))) - near.keys()) == [0, 2, 4, 6, 8]

    def test_the_nearest_is_named(self) -> None:
        near = find_near([0, 0b11111111, 0b11111110], among=[True] * 3, threshold=7)

        assert near[2].place == 1

    def test_what_is_not_compared_stands_for_none(self) -> None:
        assert find_near([5, 5, 5], among=[True, False, True])[2].place == 0
        assert find_near([5, 5], among=[False, True]) == {}


def column(name: str = "x", kind: Kind = Kind.TEXT) -> Column:
    return Column(name=name, kind=kind, source=name)


@pytest.mark.parametrize(
    ("values", "is_json", "said"),
    [
        pytest.param(["a", "b"], False, "", id="words stay words"),
        pytest.param(["007", "008"], False, "guess types", id="numbers lose their zeros"),
        pytest.param(["a", "NA"], False, "guess types", id="a missing value among words"),
        pytest.param(["true", "false"], False, "guess types", id="switches"),
        pytest.param(["1:1", "16:9"], False, "", id="ratios are words"),
        pytest.param(["007", "8"], True, "", id="JSON knows text from numbers"),
        pytest.param(["2024-01-01", "2024-01-02"], True, "guess types", id="but not from days"),
        pytest.param(["2024-01-01", "spring"], True, "", id="unless a word is among them"),
        pytest.param(["", ""], False, "", id="nothing at all"),
    ],
)
def test_what_a_loader_guesses_wrong_is_said(values: list[str], is_json: bool, said: str) -> None:
    guesses = Guesses([column()], is_json=is_json)
    for value in values:
        guesses.note("train", {"x": value})

    (warning,) = guesses.warnings() or ("",)
    assert said in warning
    assert bool(said) == bool(warning)


@pytest.mark.parametrize(
    ("in_train", "in_test", "is_json", "is_torn"),
    [
        ("a", "", False, True),
        ("a", "", True, False),
        (1, None, True, True),
        (1, 2, True, False),
        (0.5, 1.0, False, False),
    ],
)
def test_a_column_with_another_type_in_another_split_is_said(
    in_train: Value, in_test: Value, is_json: bool, is_torn: bool
) -> None:
    kind = Kind.TEXT if isinstance(in_train, str) else Kind.DECIMAL
    guesses = Guesses([column(kind=kind)], is_json=is_json)
    guesses.note("train", {"x": in_train})
    guesses.note("test", {"x": in_test})

    assert any("will refuse" in warning for warning in guesses.warnings()) == is_torn


class TestWording:
    ROW = record(
        prompt="a fox in ink",
        style="ink",
        aspect_ratio="16:9",
        file="images/kk/x.png",
        **{"animal.name": "a fox", "animal.home": "", "repeat": "2"},
    )

    def test_the_caption_is_the_prompt_unless_a_template_says_otherwise(self) -> None:
        assert Wording().caption(self.ROW) == "a fox in ink"

        wording = Wording(caption="{{ animal.name }}{{ animal.home }}, {{ row['style'] | upper }}")
        assert wording.caption(self.ROW) == "a fox, INK"

    def test_numbers_are_numbers_as_in_the_manifest(self) -> None:
        assert Wording(caption="{{ repeat + 1 }}").caption(self.ROW) == "3"

    def test_a_file_keeps_its_name_below_images(self) -> None:
        assert Wording().file(self.ROW) == "kk/x.png"

    def test_a_name_is_as_safe_as_the_batchs_own_and_holds_the_id(self) -> None:
        row = {**self.ROW, "animal.name": "../../etc/passwd"}

        file = Wording(name="{{ style }}/{{ aspect_ratio }} {{ animal.name }}").file(row)

        assert file == f"ink/16x9 ..-..-etc-passwd-{'k' * 16}.png"

    def test_images_of_one_job_are_told_apart(self) -> None:
        row = {**self.ROW, "num_images": "2", "image_index": "1"}

        assert Wording(name="{{ style }}").file(row) == f"ink-{'k' * 16}-1.png"

    @pytest.mark.parametrize("option", ["caption", "name"])
    def test_what_a_template_names_has_to_be_there(self, option: str) -> None:
        wording = Wording(**{option: "{{ stile }}"})

        with pytest.raises(UsageError, match=f"--{option}: .*Did you mean 'style'"):
            getattr(wording, "caption" if option == "caption" else "file")(self.ROW)

    def test_a_template_that_cannot_be_read_is_told_before_anything_else(self) -> None:
        with pytest.raises(UsageError, match="--caption"):
            Wording(caption="{{ style ")


class TestLimits:
    def test_a_workbook_takes_a_million_rows_and_no_more(self) -> None:
        XLSX.check_rows(1_048_575)
        with pytest.raises(ExportError, match="1,048,575 rows"):
            XLSX.check_rows(1_048_576)

    @pytest.mark.parametrize("letter", ["x", "ü", "\N{FOX FACE}"], ids=["ascii", "two", "pair"])
    def test_a_cell_takes_so_many_units_of_utf_16(self, letter: str) -> None:
        units = len(letter.encode("utf-16-le")) // 2
        fits = 32_767 // units

        XLSX.check_text(letter * fits, row=1, column="prompt")
        with pytest.raises(ExportError, match="row 1: prompt has"):
            XLSX.check_text(letter * (fits + 1), row=1, column="prompt")


def test_a_price_is_summed_to_the_cent() -> None:
    census = Census(LEDGER)
    for _ in range(3):
        census.note(record(cost_usd="0.1", style="ink"), split="train", has_image=False)

    assert census.spent_usd == Decimal("0.3")
    assert census.axes["style"].values == {"ink": 3}


def test_rows_of_a_census_may_have_many_values() -> None:
    axis = Axis()
    for number in range(MOST_VALUES + 500):
        axis.note(str(number))

    assert axis.is_long
    assert len(axis.values) == MOST_VALUES + 1
