"""Prompt and file name templates: Jinja, sandboxed, strict and pure.

A template renders the same in every process: it sees its scope and nothing else, calls
nothing, and prints text, numbers and booleans as they are written. Text without `{{` or `{%`
is no template; it stays as it is, byte for byte.
"""

from __future__ import annotations

from batchgen.template.mistakes import TemplateError, UndefinedVariable
from batchgen.template.prompt import PromptTemplate, compile_prompt
from batchgen.template.text import Template, compile_template

__all__ = [
    "PromptTemplate",
    "Template",
    "TemplateError",
    "UndefinedVariable",
    "compile_prompt",
    "compile_template",
]
