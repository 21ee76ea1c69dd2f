"""What a fit leaves for its audit: states of a few moments, and a trace of all its steps.

It is read from what acts: from what the network is given, from the weights, and from the optimizer
after it has stepped. Nothing of it comes from the parameters. It changes no number of the fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from models.data.npz import write_npz
from models.training.history import loss_of
from models.training.moments import SAMPLED, Moments
from models.training.weights import digest

TRACE = "audit_trace.npz"


def _name(step: int) -> str:
    return f"audit_step_{step:06d}.pt"


class Evidence(Callback):
    """Writes ``audit_step_<n>.pt``, the state after n steps, and in the end ``audit_trace.npz``.

    Arguments:
        net: the network that is fitted.
        moments: which states to leave.
        folder: where to.
    """

    def __init__(self, net: nn.Module, moments: Moments, folder: Path) -> None:
        self.written: list[int] = []
        self._net, self._moments, self._folder = net, moments, folder
        self._listening, self._steps = False, 0
        self._samples: list[np.ndarray[Any, np.dtype[np.uint64]]] = []
        self._losses: list[float] = []
        self._rates: list[list[float]] = []
        self._batches: list[int] = []
        self._ends: list[tuple[int, str, str]] = []
        self._begun = ""

    @property
    def length(self) -> int | None:
        """Steps in a window, if every state was left that should have been; otherwise ``None``."""
        complete = self._moments.steps == set(self.written)
        return self._moments.length if complete else None

    @override
    def state_dict(self) -> dict[str, Any]:
        """The trace so far, and which states were left; these lie in ``files``."""
        samples = np.concatenate(self._samples or [np.empty(0, np.uint64)])
        return {
            "written": [*self.written],
            "steps": self._steps,
            "samples": torch.from_numpy(samples.view(np.int64)),
            "sizes": [len(batch) for batch in self._samples],
            "losses": torch.tensor(self._losses, dtype=torch.float64),
            "rates": torch.tensor(self._rates, dtype=torch.float64),
            "batches": [*self._batches],
            "ends": [*self._ends],
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the trace of another fit, whose ``files`` are in the folder of this one."""
        samples = state_dict["samples"].numpy().view(np.uint64)
        self._samples = np.split(samples, np.cumsum(state_dict["sizes"], dtype=np.int64)[:-1])
        self._samples = self._samples if state_dict["sizes"] else []
        self.written, self._steps = [*state_dict["written"]], state_dict["steps"]
        self._losses = state_dict["losses"].tolist()
        self._rates = state_dict["rates"].tolist()
        self._batches = [*state_dict["batches"]]
        self._ends = [(steps, begun, ended) for steps, begun, ended in state_dict["ends"]]

    @property
    def files(self) -> list[Path]:
        """The states that were left so far."""
        return [self._folder / _name(step) for step in self.written]

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen to the network and to its optimizer."""
        self._optimizers = list(trainer.optimizers)
        self._net.register_forward_pre_hook(self._note_inputs)
        for optimizer in self._optimizers:
            optimizer.register_step_pre_hook(self._note_rates)
            optimizer.register_step_post_hook(self._note_step)

    @override
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the digest of the weights that the epoch begins with."""
        self._begun = digest(self._net.state_dict())

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """From here to the end of the batch what the network is given is trained on."""
        if self._steps == 0 and not self.written:
            self._write(0)
        self._listening = True

    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
    ) -> None:
        """Keep the loss; validation and diagnostics are not listened to."""
        self._listening = False
        self._losses.append(loss_of(outputs))

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the steps so far and the digest of the weights."""
        self._ends.append((self._steps, self._begun, digest(self._net.state_dict())))

    @override
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the trace."""
        write_npz(
            self._folder / TRACE,
            {
                "samples": np.concatenate(self._samples or [np.empty(0, np.uint64)]),
                "batch_sizes": np.array([len(batch) for batch in self._samples], np.int64),
                "losses": np.array(self._losses, np.float64),
                "batches_by_step": np.array(self._batches, np.int64),
                "rates": np.array(self._rates, np.float64),
                "steps_by_epoch": np.array([end[0] for end in self._ends], np.int64),
                "weights_at_start": np.array([end[1] for end in self._ends]),
                "weights_at_end": np.array([end[2] for end in self._ends]),
            },
        )

    def _note_inputs(self, net: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Of each sample that is trained on, a fingerprint of its bytes."""
        if self._listening and net.training:
            arrays = inputs[0].detach().cpu().contiguous().numpy()
            prints = [hashlib.sha256(array.tobytes()).digest()[:8] for array in arrays]
            self._samples.append(np.frombuffer(b"".join(prints), ">u8").astype(np.uint64))

    def _note_rates(self, optimizer: Optimizer, _args: object, _named: object) -> None:
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._rates.append([min(rates), max(rates)])

    def _note_step(self, _optimizer: Optimizer, _args: object, _named: object) -> None:
        self._steps += 1
        self._batches.append(len(self._samples))
        if self._steps in self._moments.steps:
            self._write(self._steps)

    def _write(self, step: int) -> None:
        self.written.append(step)
        names = {parameter: name for name, parameter in self._net.named_parameters()}
        groups = [group for optimizer in self._optimizers for group in optimizer.param_groups]
        content: dict[str, Any] = {
            "weights": {name: on_cpu(tensor) for name, tensor in self._net.state_dict().items()},
            "optimized": sorted(
                names.get(parameter, "a tensor that is not of the network")
                for group in groups
                for parameter in group["params"]
            ),
            "state": dict(self._states(names)),
        }
        torch.save(content, self._folder / _name(step))

    def _states(self, names: dict[nn.Parameter, str]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        for optimizer in self._optimizers:
            for parameter, entries in optimizer.state.items():
                if isinstance(parameter, nn.Parameter) and parameter in names:
                    present = {key: value for key, value in entries.items() if value is not None}
                    yield (
                        names[parameter],
                        {
                            key: self._thinned(on_cpu(torch.as_tensor(value)))
                            for key, value in present.items()
                        },
                    )

    def _thinned(self, values: Tensor) -> Tensor:
        """Up to ``SAMPLED`` elements, evenly spaced over the flat tensor."""
        spacing = -(-values.numel() // SAMPLED)
        return values.flatten()[self._moments.offset % spacing :: spacing].clone()


def on_cpu(tensor: Tensor) -> Tensor:
    """The tensor without its history, in main memory; not copied if it is there."""
    return tensor.detach().cpu().contiguous()
