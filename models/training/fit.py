"""One fit from first to last: network, batches, Lightning's loop, and all that was observed."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from models.config import Parameters
from models.data.npz import Split
from models.job import Events
from models.nets.blocks import LayerScale
from models.nets.generator import Generator
from models.nets.registry import build
from models.physics.diffraction import normalise_probe
from models.seeding import numpy_generator
from models.training.batches import Batches, make_batches
from models.training.collapse_monitor import CollapseMonitor
from models.training.collapse_weights import CollapseWeights
from models.training.evidence import Evidence
from models.training.gradient_norms import GradientNorms
from models.training.gradients import GradientsAtEpochs
from models.training.history import History
from models.training.module import PatchFit
from models.training.moments import moments_of
from models.training.not_finite import NotFiniteError, Stop, StopAtNotFinite
from models.training.observers import Calls, Gains, Inputs, Recomputations
from models.training.weights import BestWeights, digest


@dataclass(frozen=True, kw_only=True)
class InitialState:
    """What the weights were when the fit began."""

    sha256: str
    layerscales: dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """The live objects of a fit."""

    module: PatchFit
    trainer: Trainer
    batches: Batches
    history: History
    best_weights: BestWeights
    collapse_weights: CollapseWeights | None
    """``None`` where nothing is to be kept on collapse."""
    gradients_at_epochs: GradientsAtEpochs
    evidence: Evidence | None
    """``None`` where nothing is left for an audit."""
    initial: InitialState
    inputs: Inputs
    recomputations: Recomputations
    calls: Calls
    gains: Gains
    weights_stream: np.random.Generator
    stop_at_not_finite: StopAtNotFinite | None
    """``None`` where a fit goes on whatever its numbers are."""

    @property
    def net(self) -> Generator:
        """The network; after ``run`` with the weights of the last epoch, on the CPU."""
        assert isinstance(self.module.net, Generator)
        return self.module.net

    def run(self) -> Stop | None:
        """Train for all epochs. Writes events, and what an audit needs if it is asked for.

        Returns:
            Where the fit was ended before, as something was not finite; ``None`` at its end.

        Raises:
            RuntimeError: an operation has no deterministic implementation on the device.
        """
        with _quiet_lightning():
            try:
                self.trainer.fit(self.module, self.batches.training, self.batches.validation)
            except NotFiniteError as error:
                return error.stop
        return None


def prepare(
    parameters: Parameters,
    seed: int,
    train: Split,
    test: Split,
    *,
    device: str,
    events: Events,
    evidence_to: Path | None = None,
) -> Fit:
    """Build everything that a fit on ``device`` needs; ``seed`` governs weights and order.

    What is left for an audit, if anything, goes to ``evidence_to``.
    """
    settings, diagnostics = parameters.train, parameters.diagnostics
    _, side, _, channels = train.diffraction.shape
    weights_stream = numpy_generator(seed, "weights")
    net = build(parameters.model, side=side, channels=channels, generator=weights_stream)
    batches = make_batches(settings, train, test, numpy_generator(seed, "order"))
    module = PatchFit(
        net,
        normalise_probe(torch.from_numpy(train.probe_guess)),
        settings,
        GradientNorms(diagnostics.grad_norm_every),
        training_offsets=batches.training_offsets,
        validation_offsets=batches.validation_offsets,
    )
    monitor = CollapseMonitor(
        net,
        batches.validation_patches.diffraction_nCHW,
        settings.inference_batch_size,
        batches.validation_offsets,
    )
    history = History(events, monitor)
    best_weights = BestWeights(history, net)
    collapse_weights = CollapseWeights(history, net) if diagnostics.on_collapse else None
    gradients_at_epochs = GradientsAtEpochs(
        diagnostics.grad_hist_epochs,
        module,
        batches.training_patches.diffraction_nCHW,
        settings.batch_size,
    )
    evidence = None
    if diagnostics.audit_steps and evidence_to is not None:
        evidence = Evidence(net, moments_of(parameters, seed), evidence_to)
    stop = StopAtNotFinite() if settings.on_nan == "stop" else None
    keepers = [callback for callback in (collapse_weights, evidence, stop) if callback]
    return Fit(
        module=module,
        trainer=make_trainer(
            settings.epochs, device, [history, best_weights, *keepers, gradients_at_epochs]
        ),
        batches=batches,
        history=history,
        best_weights=best_weights,
        collapse_weights=collapse_weights,
        gradients_at_epochs=gradients_at_epochs,
        evidence=evidence,
        initial=_initial_state(net),
        inputs=Inputs(net),
        recomputations=Recomputations(net),
        calls=Calls(net),
        gains=Gains(module),
        weights_stream=weights_stream,
        stop_at_not_finite=stop,
    )


def make_trainer(epochs: int, device: str, callbacks: list[Callback]) -> Trainer:
    """Lightning's loop and nothing around it: no files, no bars, no samplers of its own."""
    with _quiet_lightning():
        return Trainer(
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            precision="32-true",
            max_epochs=epochs,
            callbacks=callbacks,
            plugins=[LightningEnvironment()],
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )


def _initial_state(net: Generator) -> InitialState:
    return InitialState(
        sha256=digest(net.state_dict()),
        layerscales={
            name: module.weight.detach().clone()
            for name, module in net.named_modules()
            if isinstance(module, LayerScale)
        },
    )


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep from the console what Lightning advises: services, worker processes, its own code."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*does not have many workers")
            warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec")
            warnings.filterwarnings("ignore", "The `srun` command is available")
            yield
    finally:
        logger.setLevel(level)
