"""What the runner may ask of an experiment: values and functions, declared in one place.

``Experiment`` is the whole of it. Its parts are frozen; their functions are pure, and take and give
plain values, tables as JSON has them, and parameters. Outside of this room nobody looks into those,
but for their dataset and its seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from models.config import Dataset, Parameters
from models.config.audit import AuditPart

ABSENT = object()
"""Stands for what a run does not show."""

Tables = Mapping[str, Any]
"""Parameters as files have them: tables of knobs."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table of an arm's parameters, of which a manifest holds parts; and what is said of it."""

    name: str
    table: type[BaseModel]
    of_phase: str
    of_profile: str
    of_arm: str
    of_axes: str
    of_together: str
    of_included: str


@dataclass(frozen=True, kw_only=True)
class ParameterSpace:
    """The parameters of an arm: everything that decides what it computes, apart from its seed."""

    table: type[Parameters]
    sections: tuple[Section, ...]
    recording: str
    """The section with what an arm records of itself; nothing that it computes depends on it."""
    noise: tuple[str, ...]
    """Keys of a dataset that draw its noise and its order."""
    objects: tuple[str, ...]
    """Keys of a dataset that draw what it shows."""
    refusals: Callable[[Parameters], Iterator[tuple[tuple[str, ...], str]]]
    """What is refused before a run although it is well-formed: dotted keys, and why."""
    remarks: Callable[[Iterable[tuple[str, Parameters]]], list[str]]
    """What is odd about named arms without being wrong."""
    recorded_for_audit: Callable[[int], dict[str, dict[str, Any]]]
    """The tables that have an arm leave states for an audit of so many steps in a row."""
    audited_steps: Callable[[Tables], int]
    """For how many steps in a row an arm leaves states; 0 for one that leaves none."""
    subject: Callable[[Tables], str]
    """What is studied, in a word: the name of what an arm builds; ``"?"`` where it has none."""
    subject_word: str
    """What that is the name of."""
    subject_key: str
    """What it is called in the table of arms."""
    data_words: str
    """What a simulation makes, at the beginning of a sentence."""

    def section(self, name: str) -> Section:
        """The section of that name. Raises ``KeyError``."""
        return {one.name: one for one in self.sections}[name]


@dataclass(frozen=True, kw_only=True)
class Size:
    """Numbers that an arm adjusts: those that are live, and as publications count them."""

    live: int
    nominal: int


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Most memory that an arm takes at once; ``gpu_bytes`` is 0 on the CPU."""

    host_bytes: int
    gpu_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What arms take, by formula: nothing is started to find out."""

    size: Callable[[Parameters], Size]
    steps: Callable[[Parameters], int]
    """Steps of the whole fit."""
    memory: Callable[[Parameters, str], Memory]
    """Of an arm on a device, ``cpu`` or ``cuda``."""
    cpu_seconds: Callable[[Parameters, int, int], float]
    """Rough time on a CPU of so many steps on so many threads."""
    savings: Callable[[Parameters, str], list[tuple[str, Memory]]]
    """Changes of single knobs that would take less memory, each with what it would take."""
    dataset_bytes: Callable[[Dataset], int]
    """Size of a stored dataset."""
    stored_bytes: Callable[[int], int]
    """Size of the weights that an arm of so many live numbers stores at its end."""
    audit_bytes: Callable[[Parameters, int], int]
    """Most that the states take which such an arm leaves for its audit."""
    fit_state_bytes: Callable[[Parameters, int], int]
    """Most that a state takes from which the fit of such an arm can go on."""


@dataclass(frozen=True, kw_only=True)
class Implied:
    """What follows from a plan without being a knob, and what a run shows of it.

    ``how`` it is compared: as one value; as a table of them; as a series with one value a ``unit``;
    or as a bound that the run may exceed by the share ``tolerance``.
    """

    name: str
    planned: Any
    shown: object
    how: Literal["value", "table", "series", "bound"] = "value"
    unit: str = ""
    tolerance: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Readback:
    """What a run must show of itself beside its knobs."""

    implied: Callable[[Tables, Mapping[str, object]], Iterator[Implied]]
    """What follows from the parameters, beside what the effective configuration shows of it."""
    repeated: Callable[[Mapping[str, object], Mapping[str, object]], Iterator[Implied]]
    """What the live objects showed, as planned, beside what the arm's history says of it."""
    final_state: Callable[[Mapping[str, object]], object]
    """Digest of what the fit ended with, by the effective configuration; ``None`` for none."""
    stopped: Callable[[Tables, Mapping[str, object]], str | None]
    """Why and where the fit was ended on its way, if its parameters ask for that; else ``None``."""
    shown: Callable[[Tables, Mapping[str, object]], Tables]
    """What of the parameters the effective configuration must show: all, unless it was ended."""


Values = Mapping[str, Any]
"""Fields of an arm's record, by name."""
Fields = Mapping[str, tuple[Any, Any]]
"""Name → annotation and pydantic's field, for the tables that an experiment completes."""
Spelled = Callable[[object], str]
"""How a page spells a measurement."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What an arm came to, as its record has it."""

    reached: bool | None
    """Whether the endpoint came about in it; ``None`` where that is not known."""
    when: int | None = None
    """At which unit of the fit, counted from 0."""
    why: str | None = None
    shortcoming: str | None = None
    """What is no result either, though the endpoint did not come about: a key of ``outcomes``."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """What a registered test counts in a cell."""

    rate: str
    """What is compared: ``rate of …``."""
    shown: str
    """What those are that are counted."""
    meaning: str
    hit: Callable[[Values], bool | None]
    """Whether an arm is one of them; ``None`` where that was not measured."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """The outcome that comes about in an arm or does not, and by which groups are compared.

    Keys of ``statistics.json``, of conditions and of registered findings are made of its words.
    """

    noun: str
    past: str
    """What an arm is in which it came about."""
    third: str
    """What an arm does in which it comes about."""
    plural: str
    """What arms do in which it comes about."""
    unit: str
    """Of the fit, at which it comes about."""
    fate: Callable[[Values], Fate]
    outcomes: Mapping[str, str]
    """What arms may come to beside, that is no result: in records, and in words."""
    shortcoming: Callable[[Values, Spelled], str]
    """In words, what an arm came to that has a shortcoming; behind ``NAME is``."""
    markers: str
    """Key of ``statistics.json`` for statistics that tell arms in which it came about."""
    marker_words: str
    """When such a statistic is taken: behind its name."""
    brief: Callable[[Values], str]
    """In few words for the console, what an arm came to; empty for a sound one."""
    counts: Mapping[str, Count]
    """What a registered test may count, by the word for it."""


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A picture, by its name and what is said below it."""

    name: str
    caption: str
    is_wide: bool = True
    """Whether its letters are too small where two pictures stand side by side."""


@dataclass(frozen=True, kw_only=True)
class ArmFiles:
    """The files that an arm leaves, by what the runner does with them."""

    effective: str
    """What its live objects showed."""
    history: str
    stats: str
    metrics: str
    timing: str
    compared: tuple[str, ...]
    """What a comparison of arms reads."""
    also_compared: Callable[[Tables], object]
    """The file that it reads beside, by the arm's parameters; ``None`` for none."""
    order: tuple[tuple[str, tuple[str, ...]], ...]
    """What is made after what: stages, and patterns of the names of files."""
    fitted: tuple[str, ...]
    """The stages that do not depend on what an arm records of itself."""
    telling: tuple[str, ...]
    """Patterns of paths in a hub, the most telling first: what a study keeps."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """What an arm measures, and how it is shown."""

    files: ArmFiles
    statistics: Mapping[str, Literal["number", "flag"]]
    """What a success rule may name."""
    flags: Mapping[str, tuple[str, str]]
    """Flags among them that have words of their own: where it holds, and where it does not."""
    timing: tuple[str, ...]
    """What of the time it took stands in the table of arms."""
    example_rule: str
    example_statistic: str
    fields: Fields
    """What the record of an arm has of the experiment's own."""
    recorded: Callable[[Mapping[str, Any]], dict[str, Any]]
    """Those fields, by the arm's statistics."""
    tabled: tuple[str, ...]
    """Those of them that stand in the table of arms."""
    measures: tuple[str, ...]
    """What groups may be compared by, beside the endpoint."""
    worded: tuple[str, ...]
    """The statistics whose comparisons a page puts into words."""
    foremost: tuple[str, ...]
    """The statistics that a headline names, the first one that differs."""
    brief: Callable[[Values], tuple[str, ...]]
    """The statistics that a line on the console names, by an arm's record."""
    columns: Callable[[Iterable[Values]], tuple[tuple[str, str], ...]]
    """Heading and statistic of a page's columns, by the records of those arms that were scored."""
    definition: Callable[[Values], int]
    """By which definitions an arm is scored."""
    definitions: Callable[[int], str]
    """Such definitions in words."""
    definitions_of: str
    """What is defined, at the beginning of a sentence."""
    baseline: str
    """What the statistics are called that a result has for nothing: a beginning of their names."""
    best: str
    """The beginning of the names of statistics that pages do not show."""
    odd: Callable[[Mapping[str, Any]], Iterator[str]]
    """What scores do not tell of an arm, by its statistics."""
    odd_about: str
    explained: str
    """A sentence below every table of scores."""
    baseline_name: str
    """What has that score, in a row of a table."""
    baseline_words: str
    """A sentence on what is had for nothing, with ``{scores}``."""
    plots: tuple[Plot, ...]
    """Over all arms, in the order of pages; the first stands for all."""
    pictures: tuple[tuple[str, Plot], ...]
    """Of each arm, under headings; the first stands for the arm."""
    kept: tuple[str, ...]
    """The names of those that an arm leaves of the endpoint alone."""


@dataclass(frozen=True, kw_only=True)
class Captures:
    """Reports on stored states of an arm that are made after the arms."""

    reports: tuple[str, ...]
    checkpoints: tuple[str, ...]
    """Names under which an arm may store states."""
    usual: str
    """The one that a step means by default."""
    last: str
    """The one that is meant where none is asked for."""
    listing: str
    """The file that names what an arm stored."""
    initial: str
    """What is stored before the first unit of the fit, in words."""
    fields: Fields
    """What the record of a capture has of the experiment's own."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a fit consists of and shows while it goes on; events are called after it."""

    unit: str
    resumed: str
    """Key by which an arm that went on from a checkpoint says so among its times."""
    fitting: str
    """The stage of a job that is its fit; its units speak for it."""
    shown: tuple[tuple[str, str], ...]
    """Heading and key of what each unit came to."""


@dataclass(frozen=True, kw_only=True)
class GivenFile:
    """A file that a dataset is made from: a path in a manifest, a digest everywhere else."""

    section: str
    declared: str
    """The key of the manifest."""
    planned: str
    """The knob that it becomes."""
    description: str
    array: str
    """What the NPZ file holds."""
    noun: str
    name: str
    """What it is called beside the job, and in a hub."""
    notes: Callable[[Mapping[str, Any]], Iterator[str]]
    """What a reader must know of a dataset, by what its simulation says of it."""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Stages of the study: how the files of a hub are called in each."""

    names: tuple[str, ...]
    log: Callable[[str, str], str]
    """Name of the log of an arm, by stage and arm."""
    metrics: Callable[[str, str], str]
    """Name of the table with one row per arm, by stage and phase."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What helps an arm that went past a limit."""

    time: str
    memory: str


@dataclass(frozen=True, kw_only=True)
class Manual:
    """What the reference of the manifest says of the experiment."""

    introduction: str
    examples: Mapping[str, str]
    """What is said below the keys of a table, by its title."""
    example_knob: str


@dataclass(frozen=True, kw_only=True)
class Program:
    """What runs in a job."""

    command: tuple[str, ...]
    """The words with which a command line of the experiment begins."""
    simulator: tuple[str, ...]
    """The parts of its source that the bytes of a dataset follow from."""
    facts: tuple[str, ...]
    """What an arm tells of where it ran that can make numbers differ."""


@dataclass(frozen=True, kw_only=True)
class Audits:
    """What a second implementation derives again."""

    of_arm: tuple[AuditPart, ...]
    of_dataset: tuple[AuditPart, ...]
    states: str
    """What the names of files begin with that an arm leaves for its audit alone."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that the runner knows of a study."""

    program: Program
    parameters: ParameterSpace
    given: GivenFile
    costs: Costs
    readback: Readback
    results: Results
    endpoint: Endpoint
    captures: Captures
    audits: Audits
    progress: Progress
    stages: Stages
    advice: Advice
    manual: Manual


@dataclass(frozen=True)
class OneOf:
    """Marks a text that is one of some: as ``Literal``, with choices that an experiment gives."""

    choices: tuple[str, ...]

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.literal_schema(list(self.choices))
