"""A combination's values and a take → a job: rendered, priced, with its identity and its seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TypeAlias

from batchgen.endpoint import Endpoint
from batchgen.filename import image_stem
from batchgen.job import (
    AUTO_SEED,
    Draft,
    Identifier,
    Job,
    Json,
    automatic_seed,
    draft_of,
    identify,
    job_id_of,
    number_of,
)
from batchgen.manifest.holes import Path, value_at
from batchgen.manifest.region import Values
from batchgen.manifest.seeds import SeedRule
from batchgen.template import PromptTemplate, Template, TemplateError, compile_prompt

Scope: TypeAlias = dict[str, Json]

# Most grids have a handful; rows with an address each have one a row.
_REMEMBERED = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What jobs share that set the same parameters.

    Attributes:
        input: What is sent, without prompt and seed, in the order of the endpoint's description.
        identifier: What is left to do for their ids.
        images: How many images each asks for.
        price_usd: What each costs, or None where the endpoint has no prices.
    """

    input: dict[str, Json]
    identifier: Identifier
    images: int
    price_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMaker:
    """Makes the jobs of a block.

    Attributes:
        endpoint: Where they go.
        constants: Variables that are the same in all of them.
        variables: The same, flat.
        parameters: What they are all sent with, settled, unless something stronger is set.
        prompt: The prompt, or None where rows, axes or keys set it.
        filename: The file name, or None.
        key: What counts for the identity besides what is sent.
        seed: Which seed they get where nothing stronger sets one.
        first_take: What is added to the number of every take: one take may be made alone.
    """

    endpoint: Endpoint
    constants: Mapping[str, Json]
    variables: Mapping[str, Json]
    parameters: Mapping[str, Json]
    prompt: PromptTemplate | None
    filename: Template | None
    key: Sequence[Path]
    seed: SeedRule
    first_take: int = 0
    _forms: dict[tuple[str, ...], Form] = field(default_factory=dict, repr=False)

    def make(self, values: Values, take: int) -> Job:
        """Return the job of some values and a take, counted from 0.

        What cannot be rendered comes with a `problem`.
        """
        return self.draft(values, take).make()

    def draft(self, values: Values, take: int) -> Draft:
        """Return the job of some values and a take as far as its identity needs it."""
        take += self.first_take
        scope = self.scope(values, take)
        form = self.form(values)
        seed = self._seed(values, take)
        key = [value_at(path, scope) for path in self.key] if self.key else None
        try:
            prompt = self.render(values, scope)
            number = self._number(form, prompt, seed, take, key)
        except TemplateError as error:
            return draft_of(self._unrendered(values, take, f"prompt: {error}"))
        make = partial(self._finish, values, take, scope, prompt, seed, number)
        return Draft(number, form.images, form.price_usd, make)

    def _finish(
        self,
        values: Values,
        take: int,
        scope: Scope,
        prompt: str | None,
        seed: int | str | None,
        number: int,
    ) -> Job:
        """Make of a draft the job that it stands for."""
        job_id = job_id_of(number)
        form = self.form(values)
        sent = form.input.copy() if prompt is None else {"prompt": prompt, **form.input}
        if seed is not None:
            sent["seed"] = automatic_seed(job_id) if seed == AUTO_SEED else seed
        problem = "" if prompt is None or prompt.strip() else "prompt: it is empty."
        file = image_stem(job_id, None)
        if self.filename is not None and not problem:
            try:
                file = image_stem(job_id, self.render_filename(scope, sent.get("seed"), job_id))
            except TemplateError as error:
                problem = f"filename: {error}"
        return Job(
            job_id=job_id,
            endpoint=self.endpoint.id,
            input=sent,
            repeat=take,
            variables=self._variables(values),
            file=file,
            images=form.images,
            price_usd=form.price_usd,
            problem=problem,
            line=_line(values),
        )

    def name(self, values: Values, job: Job) -> str:
        """Return where the images of a job go that has these values and a take of its own.

        A name that cannot be rendered for that take is the job's id.
        """
        scope = self.scope(values, job.repeat)
        try:
            rendered = self.render_filename(scope, job.input.get("seed"), job.job_id)
        except TemplateError:
            rendered = None
        return image_stem(job.job_id, rendered)

    def scope(self, values: Values, take: int) -> Scope:
        """Return what the prompt sees."""
        scope = {**self.constants}
        for value in values:
            scope.update(value.scope)
        scope["repeat"] = take
        return scope

    def form(self, values: Values) -> Form:
        """Return what jobs share that set the parameters of these values."""
        key = tuple([value.form for value in values])
        form = self._forms.get(key)
        if form is None:
            if len(self._forms) >= _REMEMBERED:
                self._forms.clear()
            form = self._forms[key] = self._make_form(values)
        return form

    def render(self, values: Values, scope: Scope) -> str | None:
        """Return the prompt, or None where nothing sets one.

        Raises:
            TemplateError: It cannot be rendered.
        """
        if self.prompt is not None:
            return self.prompt.render(scope)
        for value in values:
            if value.template is not None:
                return compile_prompt(value.template).render(scope)
            if value.prompt is not None:
                return value.prompt
        return "" if "prompt" in self.endpoint.required and self.endpoint.described else None

    def render_filename(self, scope: Scope, seed: Json, job_id: str) -> str | None:
        """Return the file name, or None where the manifest has none; the scope is changed.

        Raises:
            TemplateError: It cannot be rendered.
        """
        if self.filename is None:
            return None
        if seed is not None:
            scope["seed"] = seed
        scope["job_id"] = job_id
        return self.filename.render(scope)

    def sends_seed(self, values: Values) -> bool:
        """Return whether the job of these values is sent with a seed."""
        return self._seed(values, 0) is not None

    def _make_form(self, values: Values) -> Form:
        found = dict(self.parameters)
        for value in values:
            found.update(value.parameters)
        order = (*self.endpoint.parameters, *found)
        sent = {name: found[name] for name in dict.fromkeys(order) if name in found}
        return Form(
            input=sent,
            identifier=Identifier(
                endpoint=self.endpoint.id, input=self.endpoint.without_defaults(sent)
            ),
            images=self.endpoint.images(sent),
            price_usd=self.endpoint.price_usd(sent),
        )

    def _seed(self, values: Values, take: int) -> int | str | None:
        for value in values:
            if value.seed is not None:
                return value.seed
        return self.seed.of(take)

    def _number(
        self, form: Form, prompt: str | None, seed: int | str | None, take: int, key: Json
    ) -> int:
        repeat = take if seed is None or seed == AUTO_SEED else None
        if prompt is not None:
            return form.identifier.number(prompt, seed=seed, repeat=repeat, key=key)
        sent = self.endpoint.without_defaults(form.input)
        if seed is not None:
            sent["seed"] = seed
        job_id = identify(endpoint=self.endpoint.id, input=sent, repeat=repeat, key=key)
        return number_of(job_id)

    def _unrendered(self, values: Values, take: int, problem: str) -> Job:
        """Return a job without a prompt; its variables, not its input, make its identity."""
        form = self.form(values)
        variables = self._variables(values)
        job_id = identify(
            endpoint=self.endpoint.id, input=form.input, repeat=take, key={"unrendered": variables}
        )
        return Job(
            job_id=job_id,
            endpoint=self.endpoint.id,
            input={"prompt": "", **form.input},
            repeat=take,
            variables=variables,
            file=image_stem(job_id, None),
            images=form.images,
            price_usd=form.price_usd,
            problem=problem,
            line=_line(values),
        )

    def _variables(self, values: Values) -> Scope:
        variables = dict(self.variables)
        for value in values:
            variables.update(value.variables)
        return variables


def _line(values: Values) -> str:
    """Return where a row stands; of a job without one, where all of its values do."""
    if not values:
        return ""
    line = values[0].line
    if values[0].is_row:
        return line
    file = line.rpartition(":")[0]
    for value in values[1:]:
        if value.line and value.line != values[0].line:
            other, _, number = value.line.rpartition(":")
            line += f", {number if other == file else value.line}"
    return line
