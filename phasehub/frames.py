"""Tables of plain values as those of pandas and xarray, which need not be installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phasehub.errors import HubError, extra

if TYPE_CHECKING:
    import pandas as pd
    import xarray

Histories = Mapping[str, Sequence[float | None]]
EPOCH = "epoch"


def of_rows(rows: Sequence[Mapping[str, Any]], index: list[str]) -> pd.DataFrame:
    """Rows with the same keys as a table."""
    frame = extra("pandas", "to_pandas()").DataFrame
    columns = list(rows[0]) if rows else index
    return frame(list(rows), columns=columns).set_index(index)


def of_histories(histories: Mapping[Any, Histories], index: list[str]) -> pd.DataFrame:
    """One line for each arm and epoch; what a column does not have is NaN."""
    pandas = extra("pandas", "histories()")
    frames = {
        key: pandas.DataFrame(
            {name: pandas.Series(column, dtype=float) for name, column in one.items()}
        )
        for key, one in histories.items()
        if one
    }
    if not frames:
        empty: list[list[str]] = [[] for _ in (*index, EPOCH)]
        return pandas.DataFrame(index=pandas.MultiIndex.from_arrays(empty, names=[*index, EPOCH]))
    return pandas.concat(frames, names=[*index, EPOCH])


def dataset(histories: Mapping[str, Histories]) -> xarray.Dataset:
    """Each column over arm × epoch; NaN where an arm does not have it.

    Raises ``HubError`` where a column is called like one of the axes.
    """
    numpy, xarray = extra("numpy", "to_xarray()"), extra("xarray", "to_xarray()")
    names = dict.fromkeys(name for one in histories.values() for name in one)
    if taken := names.keys() & {"arm", EPOCH}:
        raise HubError(f"a history has a column called {min(taken)}, which is an axis here")
    length = max((len(column) for one in histories.values() for column in one.values()), default=0)
    values = {name: numpy.full((len(histories), length), numpy.nan) for name in names}
    for place, one in enumerate(histories.values()):
        for name, column in one.items():
            values[name][place, : len(column)] = numpy.array(column, dtype=float)
    return xarray.Dataset(
        {name: (("arm", EPOCH), value) for name, value in values.items()},
        coords={"arm": list(histories), EPOCH: range(length)},
    )
