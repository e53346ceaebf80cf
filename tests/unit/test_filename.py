"""Names of files: safe everywhere in the same way, inside images/, and no other job's."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.filename import PART_BYTES, compile_filename, image_file, image_stem, safe_value

ID = "kzmxlwvqpronstuy"
OTHER = "yutsnorpqvwlxmzk"
LETTERS = "klmnopqrstuvwxyz"


def stem(rendered: str) -> str:
    """The stem without what every one has."""
    return image_stem(ID, rendered).removeprefix("images/")


def test_without_a_template_images_lie_under_the_first_two_letters() -> None:
    default = image_stem(ID, None)

    assert default == f"images/kz/{ID}"
    assert (
        image_file(default, job_id=ID, index=0, asked=1, extension="png") == f"images/kz/{ID}-0.png"
    )
    assert (
        image_file(default, job_id=ID, index=3, asked=4, extension="jpg") == f"images/kz/{ID}-3.jpg"
    )


@pytest.mark.parametrize(
    ("rendered", "expected"),
    [
        pytest.param("woodcut/a fox", f"woodcut/a fox-{ID}", id="a folder and a name"),
        pytest.param("NO/poster/a tent take 0", f"NO/poster/a tent take 0-{ID}", id="two folders"),
        pytest.param("fox 16:9", f"fox 16x9-{ID}", id="a ratio"),
        pytest.param("12:30:45", f"12x30x45-{ID}", id="a time"),
        pytest.param("Fish & Chips: today", f"Fish & Chips- today-{ID}", id="another colon"),
        pytest.param('<>:"|?*', f"{7 * '-'}-{ID}", id="forbidden"),
        pytest.param("C:\\>_", f"C---_-{ID}", id="a prompt of a shell"),
        pytest.param("a\tb\nc\x00d\x7fe", f"a-b-c-d-e-{ID}", id="control characters"),
        pytest.param("a\u202eb\u2028c", f"a-b-c-{ID}", id="marks that nobody sees"),
        pytest.param("\ud800x", f"-x-{ID}", id="half a character"),
        pytest.param("/etc/passwd", f"etc/passwd-{ID}", id="an absolute path"),
        pytest.param("../../a", f"a-{ID}", id="traversal"),
        pytest.param("a/../b", f"a/b-{ID}", id="traversal within"),
        pytest.param("a/..", f"a/{ID}", id="traversal at the end"),
        pytest.param("a//b", f"a/b-{ID}", id="an empty part"),
        pytest.param("a/ /b", f"a/b-{ID}", id="a part of blanks"),
        pytest.param("a/", f"a/{ID}", id="an empty name"),
        pytest.param("", ID, id="nothing"),
        pytest.param(" a . / b. ", f"a/b-{ID}", id="blanks around, dots behind"),
        pytest.param(".hidden", f".hidden-{ID}", id="a dot before"),
        pytest.param("con/a", f"_con/a-{ID}", id="a device"),
        pytest.param("COM1.old/a", f"_COM1.old/a-{ID}", id="a device with an extension"),
        pytest.param("LPT³/a", f"_LPT³/a-{ID}", id="a device in superscript"),
        pytest.param("nul.b", f"_nul.b-{ID}", id="a device as a name"),
        pytest.param("nul", f"nul-{ID}", id="with the id it is none"),
        pytest.param("console/a", f"console/a-{ID}", id="no device"),
        pytest.param("U\u0308", f"Ü-{ID}", id="NFC"),
        pytest.param("Ü/外へ出よう", f"Ü/外へ出よう-{ID}", id="letters stay"),
        pytest.param(f"a {ID}", f"a {ID}", id="the id is there already"),
        pytest.param(f"{ID}-b", f"{ID}-b", id="and need not be last"),
        pytest.param(f"{ID}/b", f"{ID}/b-{ID}", id="in a folder it does not count"),
        pytest.param(ID.upper(), f"{ID.upper()}-{ID}", id="in capitals it does not count"),
        pytest.param(f"{ID} {OTHER}", f"{ID} {OTHER}-{ID}", id="two ids are none"),
        pytest.param(OTHER, f"{OTHER}-{ID}", id="the id of another job"),
        pytest.param(f"x{ID}", f"x{ID}-{ID}", id="an id that cannot be told from its neighbour"),
    ],
)
def test_a_name_is_made_safe(rendered: str, expected: str) -> None:
    assert stem(rendered) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b", "a-b"),
        ("a\\b", "a-b"),
        ("../x", "..-x"),
        ("16:9", "16x9"),
        ("U\u0308", "Ü"),
    ],
)
def test_a_value_makes_no_folder(text: str, expected: str) -> None:
    assert safe_value(text) == expected


def test_a_slash_of_the_template_makes_a_folder_and_one_of_a_value_does_not() -> None:
    scope = {"style": "pen/ink", "ratio": "16:9", "n": 2, "animal": {"name": "a/b"}}

    plain = compile_filename("{{ style }}/{{ animal.name }} {{ ratio }} {{ n }}").render(scope)
    filtered = compile_filename(
        "{{ style | upper }}/{{ ratio | replace(':', '/') }}{% if n %}/{{ '%03d' | format(n) }}"
        "{% endif %}"
    ).render(scope)

    assert plain == "pen-ink/a-b 16x9 2"
    assert filtered == "PEN-INK/16-9/002"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * 500, id="one byte"),
        pytest.param("é" * 300, id="two bytes"),
        pytest.param("外" * 200, id="three bytes"),
        pytest.param("🦊" * 100, id="four bytes"),
        pytest.param("a\u0301" * 200, id="two code points"),
        pytest.param("con." + "x" * 200, id="a device"),
    ],
)
def test_a_long_name_is_cut_before_the_id_and_between_characters(text: str) -> None:
    folder, name = stem(f"{text}/{text}").split("/")

    assert name.endswith(f"-{ID}")
    assert PART_BYTES - 4 < len(folder.encode()) <= PART_BYTES
    file = image_file(name, job_id=ID, index=99, asked=4, extension="webp")
    assert PART_BYTES - 5 < len(file.encode()) <= PART_BYTES
    whole = unicodedata.normalize("NFC", text)
    assert whole.startswith(folder.removeprefix("_"))
    assert whole.startswith(name.removeprefix("_").removesuffix(f"-{ID}"))


def test_an_id_that_a_cut_would_take_is_put_behind_it() -> None:
    assert stem(f"{'a' * 110} {ID}") == "a" * (PART_BYTES - 9 - 17) + f"-{ID}"


def test_a_cut_leaves_no_joiner_behind() -> None:
    family = "👨\u200d👩\u200d👧\u200d👦"

    assert not stem(f"{family * 20}/x").split("/")[0].endswith("\u200d")


@pytest.mark.parametrize(
    ("index", "asked", "name"),
    [(0, 1, "a.png"), (0, 2, "a-0.png"), (1, 2, "a-1.png"), (1, 1, "a-1.png")],
)
def test_the_index_is_added_where_there_are_several(index: int, asked: int, name: str) -> None:
    file = image_file("images/a", job_id=ID, index=index, asked=asked, extension="png")

    assert file == f"images/{name}"


def test_a_name_depends_on_nothing_but_the_job() -> None:
    assert image_stem(ID, "a/b") == image_stem(ID, "a/b")


_IDS = st.text(alphabet=LETTERS, min_size=16, max_size=16)
_TEXTS = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(["a", "/", "\\", "..", ".", " ", "con", "NUL", ":", "16:9", "é", "\u0301",
                         "🦊", "\u200d", "\x00", "-", "x" * 60, ID, OTHER, ID.upper(), "K", "ſ"]),
        max_size=12,
    ).map("".join),
)  # fmt: skip
_RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{name}{n}" for name in ("com", "lpt") for n in range(10)),
}


@settings(deadline=None)
@given(job_id=_IDS, rendered=_TEXTS)
def test_no_name_leaves_images_and_every_system_takes_it(job_id: str, rendered: str) -> None:
    made = image_stem(job_id, rendered)
    file = image_file(made, job_id=job_id, index=12, asked=1, extension="webp")

    first, *parts = file.split("/")
    assert first == "images"
    assert parts
    assert job_id in parts[-1]
    for part in parts:
        assert part.strip() == part
        assert part not in {"", ".", ".."}
        assert not part.endswith(".")
        assert not set(part) & set('<>:"\\|?*')
        assert part.isprintable() or not any(unicodedata.category(c) == "Cc" for c in part)
        assert len(part.encode()) <= PART_BYTES
        assert part.split(".")[0].strip().casefold() not in _RESERVED
        assert unicodedata.is_normalized("NFC", part)


_EVIL = st.lists(
    st.sampled_from([ID, OTHER, "a", "-", "/", "0", "-0", " ", ID[:8], OTHER[8:], ID.upper()]),
    max_size=5,
).map("".join)


@settings(deadline=None)
@given(one=_EVIL, other=_EVIL, index=st.integers(0, 2), asked=st.integers(1, 3))
def test_two_jobs_never_share_a_name_not_even_where_case_does_not_count(
    one: str, other: str, index: int, asked: int
) -> None:
    def name(job_id: str, rendered: str, index: int, asked: int) -> str:
        made = image_stem(job_id, rendered)
        return image_file(made, job_id=job_id, index=index, asked=asked, extension="png").casefold()

    assert name(ID, one, index, asked) != name(OTHER, other, 0, 1)
    assert name(ID, one, index, asked) != name(OTHER, other, index, asked)


@settings(deadline=None)
@given(rendered=_TEXTS)
def test_the_images_of_one_job_have_different_names(rendered: str) -> None:
    made = image_stem(ID, rendered)

    names = {image_file(made, job_id=ID, index=n, asked=1, extension="png") for n in range(4)}

    assert len(names) == 4


@settings(deadline=None)
@given(rendered=_TEXTS)
def test_the_same_text_in_other_code_points_is_the_same_name(rendered: str) -> None:
    composed = unicodedata.normalize("NFC", rendered)

    assert image_stem(ID, unicodedata.normalize("NFD", rendered)) == image_stem(ID, composed)
