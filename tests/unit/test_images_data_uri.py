import base64
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.errors import ImageError
from batchgen.images import parse_data_uri


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("data:image/png;base64,AQID", b"\1\2\3", id="base64"),
        pytest.param("DATA:image/png;BASE64,AQID", b"\1\2\3", id="in capitals"),
        pytest.param("data:image/png;name=a;base64,AQID", b"\1\2\3", id="more parameters"),
        pytest.param("data:;base64,AQID", b"\1\2\3", id="no media type"),
        pytest.param("data:image/png;base64,AQ==", b"\1", id="padding"),
        pytest.param("data:image/png;base64,AQ", b"\1", id="no padding"),
        pytest.param("data:image/png;base64,AQ%3D%3D", b"\1", id="escaped padding"),
        pytest.param("data:image/png;base64,AQ\r\n ID", b"\1\2\3", id="line breaks"),
        pytest.param("data:image/png;base64,-_8=", b"\xfb\xff", id="the alphabet of URLs"),
        pytest.param("data:image/svg,%3Cb%3E,+", b"<b>,+", id="percent-encoded"),
        pytest.param("data:,", b"", id="empty"),
    ],
)
def test_the_bytes_of_a_data_uri(url: str, expected: bytes) -> None:
    assert parse_data_uri(url) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("https://h/a.png", "not a data URI", id="another scheme"),
        pytest.param("data:image/png;base64", "not a data URI", id="no comma"),
        pytest.param("", "not a data URI", id="nothing"),
        pytest.param("data:image/png;base64,AQI?", "damaged", id="a character of no alphabet"),
        pytest.param("data:image/png;base64,AQIDA", "damaged", id="one character too many"),
        pytest.param("data:image/png;base64,AQ=D", "damaged", id="padding in the middle"),
        pytest.param("data:image/png;base64,AQIä", "no data URI may hold", id="beyond ASCII"),
    ],
)
def test_a_damaged_data_uri_is_refused(url: str, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        parse_data_uri(url)


@given(data=st.binary(max_size=200))
def test_every_byte_survives_both_encodings(data: bytes) -> None:
    assert parse_data_uri("data:image/png;base64," + base64.b64encode(data).decode()) == data
    assert parse_data_uri("data:image/png," + quote_from_bytes(data)) == data


@given(text=st.text(max_size=60))
def test_no_text_makes_it_raise_anything_else(text: str) -> None:
    for prefix in ("", "data:", "data:;base64,", "data:,"):
        try:
            parse_data_uri(prefix + text)
        except ImageError:
            continue
