"""The knobs of the simulated dataset."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from models.config.tables import Integer, Table


def _default_defocus(table: dict[str, Any]) -> float | None:
    """Curvature of the defocused probe that keeps its phase at the rim about the same at any N.

    Below N = 21 it stays at 1 rad/px², which neighbouring pixels still resolve at the centre.
    """
    if table.get("probe") != "defocused_disk":
        return None
    side = table.get("patch_size", 64)
    return 0.3 if side == 32 else min(0.1 * (64 / side) ** 2, 1.0)


def _is_absent(value: object) -> bool:
    return value is None


class Dataset(Table):
    """The simulated ``grid_lines`` dataset: objects, scan, probe and photon noise."""

    kind: Literal["grid_lines"] = Field("grid_lines", description="Which simulation.")
    object_size: PositiveInt = Field(392, description="Side of the cropped object, px.")
    patch_size: Annotated[int, Field(ge=8)] = Field(64, description="Side N of a patch, px; even.")
    gridsize: Annotated[Literal[1, 2], Integer] = Field(
        1,
        description="Side of the group of neighbouring patches that make one sample; 2 gives four "
        "channels.",
    )
    train_stride: PositiveInt = Field(4, description="Scan step of the training objects, px.")
    test_stride: PositiveInt = Field(
        10, description="Scan step of the test objects, px; also the side of a stitched tile."
    )
    num_train_objects: PositiveInt = Field(1, description="Objects in the training split.")
    num_test_objects: PositiveInt = Field(1, description="Objects in the test split.")
    train_object_seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        1, description="Seed of the legacy generator that draws the training objects."
    )
    test_object_seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        2, description="Seed of the legacy generator that draws the test objects."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = Field(
        None,
        # A dataset without one is written as before there was the key.
        exclude_if=_is_absent,
        description="Seed of the photon noise and of the order of the training samples; by default "
        "the phase's.",
    )
    photons: PositiveFloat = Field(1e9, description="Mean number of photons per pattern.")
    set_phi: bool = Field(
        default=True, description="Whether the object has a phase; false makes it 0."
    )
    probe: Literal["defocused_disk", "ideal_disk", "file"] = Field(
        "defocused_disk",
        description="Illumination; the ideal disk leaves a twin ambiguity, `file` is a measured "
        "probe.",
    )
    probe_defocus: float | None = Field(
        default_factory=_default_defocus,
        description="Quadratic phase q of the defocused disk, rad/px²; by default 0.1·(64/N)² "
        "but at most 1, and 0.3 at N = 32. Other probes have none.",
    )
    probe_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="Digest of the file that holds a measured probe. Other probes have none."
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.patch_size % 2:
            raise ValueError(f"patch_size {self.patch_size} is odd; give an even number of pixels")
        if self.test_stride > self.patch_size:
            raise ValueError(
                f"test_stride {self.test_stride} exceeds patch_size {self.patch_size}: "
                "it is the side of a stitched tile, which is the centre of a patch"
            )
        if self.patch_size > self.object_size:
            raise ValueError(
                f"patch_size {self.patch_size} does not fit object_size {self.object_size}"
            )
        if (self.probe_defocus is None) == (self.probe == "defocused_disk"):
            raise ValueError(
                "probe_defocus belongs to probe 'defocused_disk' and to no other; "
                + ("give it" if self.probe == "defocused_disk" else "remove it")
            )
        if self.probe_defocus is not None and not 0 < abs(self.probe_defocus) < math.pi / 2:
            raise ValueError(
                f"probe_defocus {self.probe_defocus} must lie between 0 and π/2 in size: 0 is "
                "probe 'ideal_disk', and from π/2 on the phase is undersampled at the centre"
            )
        if (self.probe_sha256 is None) == (self.probe == "file"):
            raise ValueError(
                "probe_sha256 belongs to probe 'file' and to no other; "
                + ("give it" if self.probe == "file" else "remove it")
            )
        return self

    @model_validator(mode="after")
    def _groups_exist(self) -> Self:
        for name, stride in (("train", self.train_stride), ("test", self.test_stride)):
            if self.scan_steps(stride) < self.gridsize:
                raise ValueError(
                    f"{name}_stride {stride} leaves one position a side in object_size "
                    f"{self.object_size}, and gridsize {self.gridsize} groups "
                    f"{self.gridsize}×{self.gridsize} of them; lower it"
                )
        return self

    def scan_steps(self, stride: int) -> int:
        """Positions along a side of one object at a scan step of ``stride`` px."""
        return (self.object_size - self.patch_size) // stride + 1

    def patches_per_object(self, stride: int) -> int:
        """Number of N×N windows of one object at a scan step of ``stride`` px."""
        return self.scan_steps(stride) ** 2

    def samples_per_object(self, stride: int) -> int:
        """Number of groups of ``gridsize``² neighbouring windows of one object."""
        return (self.scan_steps(stride) - self.gridsize + 1) ** 2
