"""A template renders the same in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

SCRIPT = """
import json, sys
from batchgen.filename import compile_filename, image_stem
from batchgen.template import TemplateError, compile_prompt, compile_template

texts, scope = json.load(sys.stdin)
said = []
for text in texts:
    try:
        said.append(compile_template(text).render(scope))
    except TemplateError as error:
        said.append(str(error))
said.append(compile_prompt({text: text for text in texts[:2]}).render(scope))
said.append(image_stem("kzmxlwvqpronstuy", compile_filename(texts[0]).render(scope)))
json.dump(said, sys.stdout)
"""
SCOPE = {
    "style": "woodcut",
    "animal": {"name": "a fox", "home": "a wood", "colour": "red"},
    "palette": ["b", "a", "b", "c"],
}
TEXTS = [
    "{{ style }}/{{ animal.name }}",
    "{{ palette | unique | join }} {{ animal | tojson }} {{ animal | dictsort | first | first }}",
    "{% for key, value in animal | items %}{{ key }}{{ value }}{% endfor %}",
    "{{ colour }}",
    "{{ animal.nothing }}",
    "{{ animal }}",
    "{{ palette | random }}",
    "{{ style | nonsense }}",
]


def said_with(hash_seed: str) -> list[str]:
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([TEXTS, SCOPE]),
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said: list[str] = json.loads(process.stdout)
    return said


def test_templates_and_their_mistakes_are_the_same_in_every_process() -> None:
    first, *others = (said_with(seed) for seed in ("0", "1", "4711"))

    assert first[0] == "woodcut/a fox"
    assert first[1].startswith("bac {")
    assert others == [first, first]
