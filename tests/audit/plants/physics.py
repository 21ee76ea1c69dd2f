"""Bugs in the forward model and in the losses, as the training uses them."""

from tests.audit.plants.plant import plant

FIT, MODULE, LOSSES = "training/fit.py", "training/module.py", "physics/losses.py"
PROBE = "        normalise_probe(torch.from_numpy(train.probe_guess)),\n"
STEP = """        predicted = self.predict_amplitude(self.net(measured_BCHW), self.training_offsets)
        return self.loss(predicted, measured_BCHW)

    @override
    def validation_step"""
MAE = "(predicted_BCHW - measured_BCHW).abs().mean()"


def training(lines: str) -> tuple[str, str, str]:
    """The training step with other lines."""
    return MODULE, STEP, f"{lines}\n\n    @override\n    def validation_step"


PREDICTED = (
    "        predicted = self.predict_amplitude(self.net(measured_BCHW), self.training_offsets)\n"
)

PLANTS = (
    plant("conjugated probe", "the forward model has the conjugate of the probe",
          (FIT, PROBE, PROBE.replace("guess)),", "guess)).conj().resolve_conj(),"))),
    plant("probe not normalised", "the forward model has the probe as it is stored",
          (FIT, PROBE, "        torch.from_numpy(train.probe_guess),\n")),
    plant("probe shifted", "the probe is rolled by one pixel",
          (FIT, PROBE, PROBE.replace("normalise_probe(torch.from_numpy(train.probe_guess))",
                                     "normalise_probe(torch.from_numpy(train.probe_guess)).roll(1, 0)"))),
    plant("loss on half of the batch", "the second half of a batch does not count",
          training(PREDICTED + "        half = (len(predicted) + 1) // 2\n"
                   "        return self.loss(predicted[:half], measured_BCHW[:half])")),
    plant("loss doubled", "the loss that is differentiated is twice the one declared",
          training(PREDICTED + "        return 2 * self.loss(predicted, measured_BCHW)")),
    plant("a tenth more gain in training", "the gain is 1.1 times larger while gradients are on",
          ("physics/diffraction.py", "return gain * fft2c(object_BCHW * probe_HW).abs()",
           "return gain * (1.1 if torch.is_grad_enabled() else 1.0) "
           "* fft2c(object_BCHW * probe_HW).abs()")),
    plant("gain ignored", "the gain is 1",
          ("physics/diffraction.py", "return gain * fft2c", "return fft2c")),
    plant("spectrum not unitary", "the DFT is not normalised",
          ("physics/fourier.py", 'fft2(wave_HW, norm="ortho")', 'fft2(wave_HW, norm="backward")')),
    plant("spectrum not centred", "predictions are not shifted",
          ("physics/fourier.py", "torch.fft.fftshift(far_field, dim=(-2, -1))", "far_field")),
    plant("inputs in half precision", "the measured amplitudes are rounded to float16",
          training("        measured_BCHW = measured_BCHW.half().float()\n" + PREDICTED
                   + "        return self.loss(predicted, measured_BCHW)")),
    plant("squared error", "mae is the mean square",
          (LOSSES, MAE, MAE.replace("abs", "square"))),
    plant("border without weight", "mae leaves out two pixels on every side",
          (LOSSES, MAE, MAE.replace("abs()", "abs()[..., 2:-2, 2:-2]"))),
    plant("loss not normalised", "mae is not divided by the mean of the data",
          (LOSSES, f"{MAE} / (measured_BCHW.mean() + TINY)", MAE)),
    plant("larger background", "the Poisson rate has a background of 1e-3",
          (LOSSES, "rate, counts = predicted_BCHW.square() + TINY",
           "rate, counts = predicted_BCHW.square() + 1e-3"),
          train={"loss": "poisson", "physics_gain": 1.0}),
    plant("likelihood without its constant", "ln Γ(k + 1) is left out, which has no gradient",
          (LOSSES, " + torch.lgamma(counts + 1)", ""), train={"loss": "poisson"}),
    plant("offsets swapped", "rows and columns of a sample's patches are exchanged",
          ("data/npz.py", "(round(float(row)), round(float(col)))",
           "(round(float(col)), round(float(row)))"),
          dataset={"gridsize": 2, "test_stride": 8}),
    plant("patches not made to agree", "the four patches of a sample are propagated as they are",
          ("physics/overlap.py", "    if len(offsets) == 1:\n", "    if len(offsets) >= 1:\n"),
          dataset={"gridsize": 2, "test_stride": 8}),
)  # fmt: skip
