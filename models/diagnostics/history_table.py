"""``history.json``: one entry an epoch; null for what was not finite."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from models.diagnostics.stats import finite
from models.training.history import History

Column = list[float | None]


def history_table(history: History) -> dict[str, Any]:
    """Losses, the learning rate that was used, and what the monitor saw at the end of each epoch.

    ``decoder_share_not_positive`` is the share of all decoder pre-activations that are ≤ 0, and
    ``decoder_share_not_positive_by_layer`` that of each activation, deepest first; both are null
    for a network without a decoder.
    """
    epochs = history.epochs
    layers = list(epochs[0].sample.decoder)
    return {
        "train_loss": _column(epoch.train_loss for epoch in epochs),
        "val_loss": _column(epoch.val_loss for epoch in epochs),
        "learning_rate": _column(epoch.learning_rates[0] for epoch in epochs),
        "recon_amp_rel_std": _column(epoch.recon_amp_rel_std for epoch in epochs),
        "decoder_share_not_positive": (
            _column(epoch.sample.decoder_share_not_positive for epoch in epochs) if layers else None
        ),
        "decoder_share_not_positive_by_layer": (
            {
                layer: _column(epoch.sample.decoder[layer].share for epoch in epochs)
                for layer in layers
            }
            if layers
            else None
        ),
    }


def _column(values: Iterable[float]) -> Column:
    return [finite(value) for value in values]
