"""What every generator offers beside its forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.config import ParameterCount
from models.nets.spectral import SpectralConvolution


class Generator(nn.Module):
    """A network from measured amplitudes (B, C, N, N) to complex object patches (B, C, N, N).

    Arguments:
        activation_checkpointing: whether the backward pass computes each block again.
    """

    head: nn.Module
    """From feature maps to complex patches; the last layer."""

    def __init__(self, *, activation_checkpointing: bool = False) -> None:
        super().__init__()
        self.activation_checkpointing = activation_checkpointing

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map real (B, C, N, N) to complex (B, C, N, N)."""
        raise NotImplementedError

    def checkpointed(self) -> list[nn.Module]:
        """The blocks that go ``through``, in the order of the data's way.

        With checkpointing the backward pass computes each of them again; samplers and head, which
        keep little but their inputs, stay out.
        """
        raise NotImplementedError

    def through(self, block: nn.Module, *inputs: Any) -> Tensor:  # noqa: ANN401  see ``forward``
        """What a block makes of its inputs; with checkpointing, only these are kept of it.

        Nothing in a network is random, so no state of a random generator is kept either.
        """
        if not (self.activation_checkpointing and torch.is_grad_enabled()):
            out: Tensor = block(*inputs)
            return out
        again: Tensor = checkpoint(block, *inputs, use_reentrant=False, preserve_rng_state=False)
        return again

    def layers(self) -> dict[str, nn.Module]:
        """The layers that an activation report describes, in the order of the data's way."""
        raise NotImplementedError

    def decoder_activations(self) -> dict[str, nn.Module]:
        """The activations behind the bottleneck, named and ordered as in ``layers``.

        What goes into them are the decoder's pre-activations: where a channel has none above zero,
        GELU passes (nearly) no gradient.
        """
        raise NotImplementedError

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at each level of the encoder, top first, as the weights have them."""
        raise NotImplementedError


def with_parts(name: str, module: nn.Module) -> dict[str, nn.Module]:
    """A module and its children by their dotted names."""
    return {name: module} | parts(name, module)


def parts(name: str, module: nn.Module) -> dict[str, nn.Module]:
    """The children of a module by their dotted names."""
    return {f"{name}.{part}": child for part, child in module.named_children()}


def encoder_layers(
    encoder: Sequence[nn.Module], downsamplers: Sequence[nn.Module]
) -> dict[str, nn.Module]:
    """Each block with its parts and the downsampler behind it."""
    found: dict[str, nn.Module] = {}
    for index, block in enumerate(encoder):
        found |= with_parts(f"encoder.{index}", block)
        if index < len(downsamplers):
            found[f"downsamplers.{index}"] = downsamplers[index]
    return found


def made_channels(*convolutions: nn.Module) -> tuple[int, ...]:
    """Output channels of convolutions, by the shape of their weights."""
    return tuple(len(convolution.get_parameter("weight")) for convolution in convolutions)


def count_live(net: nn.Module) -> ParameterCount:
    """Parameters of a built network, a complex one counted once; on the meta device too."""
    live = sum(parameter.numel() for parameter in net.parameters())
    unread = sum(
        module.num_nominal - module.weight.numel()
        for module in net.modules()
        if isinstance(module, SpectralConvolution)
    )
    return ParameterCount(live=live, nominal=live + unread)
