"""How the datasets of a phase are called, where a hub keeps them, and which arm is shown which.

A phase with one dataset calls it ``dataset``, in its files too: a plan or a record has the key
``dataset`` then, and the list ``datasets`` where there are several. Of several, each is called
after what it is made from, ``dataset-0123456789ab``, whatever other arms a run takes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Protocol, TypeVar

from annotated_types import MinLen
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field

from runner.core.digest import canonical_json, digest_json
from runner.core.names import is_dataset_name

ONLY = "dataset"
"""The name of the only one, and the folder that a hub has for all of them."""
MANY = "datasets"
LABEL_DIGITS = 12


def _dataset_name(name: str) -> str:
    if not is_dataset_name(name):
        raise ValueError(f"expected {ONLY!r}, or that with {LABEL_DIGITS} digits of a digest")
    return name


DatasetName = Annotated[str, AfterValidator(_dataset_name)]


class Named(Protocol):
    """A job or its record."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Its tables of knobs."""


AnArm = TypeVar("AnArm", bound=Named)
ADataset = TypeVar("ADataset", bound=Named)
Value = TypeVar("Value")

# --- names ---------------------------------------------------------------------------------------


def name_of(parameters: Mapping[str, Any], seed: int) -> str:
    """What one of several datasets is called."""
    return f"{ONLY}-{digest_json({'parameters': parameters, 'seed': seed})[:LABEL_DIGITS]}"


def label_of(name: str) -> str:
    """What tells a dataset from the others of its phase; empty for the only one."""
    return name.removeprefix(ONLY).removeprefix("-")


def folder_of(name: str) -> str:
    """The folder in a hub with what tells of a dataset: ``dataset``, or ``dataset/<label>``."""
    return f"{ONLY}/{label_of(name)}".removesuffix("/")


# --- which arm is shown which --------------------------------------------------------------------


def key_of(parameters: Mapping[str, Any]) -> bytes:
    """What arms with the same dataset have in common."""
    return canonical_json(parameters.get("dataset"))


def assigned(datasets: Iterable[ADataset], arms: Iterable[Named]) -> dict[str, ADataset]:
    """Arm → the dataset with its parameters; an arm whose dataset is not there is not in it."""
    known = {key_of(one.parameters): one for one in datasets}
    found = {arm.name: known.get(key_of(arm.parameters)) for arm in arms}
    return {name: one for name, one in found.items() if one is not None}


def users(datasets: Collection[Named], arms: Collection[AnArm]) -> dict[str, tuple[AnArm, ...]]:
    """Dataset → the arms that are shown it."""
    shown = assigned(datasets, arms)
    found: dict[str, list[AnArm]] = {one.name: [] for one in datasets}
    for arm in arms:
        if arm.name in shown:
            found[shown[arm.name].name].append(arm)
    return {name: tuple(each) for name, each in found.items()}


def refuse_ambiguity(datasets: Collection[Named]) -> None:
    """Raise ``ValueError`` where two datasets could be taken for each other."""
    names = {one.name for one in datasets}
    if len(names) < len(datasets) or len({key_of(d.parameters) for d in datasets}) < len(datasets):
        raise ValueError(f"{MANY} names one twice")
    if len(datasets) > 1 and ONLY in names:
        raise ValueError(f"{MANY}: one of several is called {ONLY}, as the only one would be")


# --- as files have them --------------------------------------------------------------------------


def _several(value: object) -> object:
    """The value of either key as a list."""
    return value if isinstance(value, list | tuple) else (value,)


OneOrMany = Annotated[
    tuple[Value, ...],
    MinLen(1),
    BeforeValidator(_several),
    Field(validation_alias=AliasChoices(MANY, ONLY)),
]
"""The datasets of a plan or a record, read from either key."""


def with_one_or_many(table: dict[str, Any]) -> dict[str, Any]:
    """A table as it is written: the only dataset, if it is called so, under the key ``dataset``."""
    several = table[MANY]
    if len(several) > 1 or several[0].get("name", ONLY) != ONLY:
        return table
    return {
        (ONLY if key == MANY else key): several[0] if key == MANY else value
        for key, value in table.items()
    }


def one_or_many_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of such a table: either key, and never both."""
    properties = schema["properties"]
    one = {"$ref": properties[MANY]["items"]["$ref"], "description": "The only dataset."}
    return schema | {
        "properties": properties | {ONLY: one},
        "required": [key for key in schema["required"] if key != MANY],
        "oneOf": [{"required": [ONLY]}, {"required": [MANY]}],
    }
