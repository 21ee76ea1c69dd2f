"""Bugs in what is told of a fit: losses, best epoch, weights, reconstruction, scores."""

from tests.audit.plants.plant import plant

HISTORY, METRICS, ARM = "training/history.py", "evaluation/metrics.py", "arm.py"
RECONSTRUCT, STITCHING = "evaluation/reconstruct.py", "physics/stitching.py"

PLANTS = (
    plant("worst epoch for best", "the best epoch is that of the largest validation loss",
          (HISTORY, "return min(finite)[1]", "return max(finite)[1]")),
    plant("best weights are the last", "every epoch's weights are kept as the best",
          ("training/weights.py",
           "if self._history.best_epoch == len(self._history.epochs) - 1:", "if True:"),
          train={"learning_rate": 0.03, "epochs": 3}),
    plant("best stored as last", "model.pt holds the weights of the best epoch",
          ("training/checkpoints.py", "state=state_of(fit.net))\n",
           "state=best or state_of(fit.net))\n"), train={"learning_rate": 0.03, "epochs": 3}),
    plant("epochs exchanged", "the scores of last and best epoch are exchanged",
          (ARM, '(("best_epoch", best), ("last_epoch", last))',
           '(("best_epoch", last), ("last_epoch", best))'),
          train={"learning_rate": 0.03, "epochs": 3}),
    plant("last batch for the epoch", "the training loss is that of the last batch",
          ("training/observers.py", "        self.total += loss * patches\n",
           "        self.total, self.patches = 0.0, 0\n        self.total += loss * patches\n")),
    plant("validation loss of another loss", "the validation loss is taken of every second patch",
          ("training/module.py",
           "self.predict_amplitude(self.net(measured_BCHW), self.validation_offsets)\n"
           "        return self.loss(predicted, measured_BCHW)",
           "self.predict_amplitude(self.net(measured_BCHW), self.validation_offsets)\n"
           "        return self.loss(predicted[::2], measured_BCHW[::2])")),
    plant("trimmed by four", "four pixels are trimmed instead of two",
          (RECONSTRUCT, "TRIM: Final = 2", "TRIM: Final = 4")),
    plant("tiles off the centre", "tiles begin one pixel too late",
          (STITCHING, "    start = margin(side, stride)\n", "    start = margin(side, stride) + 1\n")),
    plant("tiles transposed", "rows and columns of the canvas are exchanged",
          (STITCHING, "grid = tiles.reshape(rows, cols, stride, stride)",
           "grid = tiles.reshape(rows, cols, stride, stride).swapaxes(0, 1)")),
    plant("scaled by the median", "the amplitude is scaled to the median",
          (RECONSTRUCT, "float(target.mean() / amplitude.mean())",
           "float(np.median(target) / np.median(amplitude))")),
    plant("plane left in", "the phase keeps its plane",
          (RECONSTRUCT, "phase=remove_plane(np.angle(predicted))", "phase=np.angle(predicted)")),
    plant("not scaled back", "patches are not multiplied by norm_Y_I",
          (RECONSTRUCT, ".astype(np.complex128) * test.norm_y_i)", ".astype(np.complex128))")),
    plant("SSIM of range 1", "the amplitude's SSIM has data range 1",
          (METRICS, "prediction, target, self.range if self.ssim_range is None else self.ssim_range",
           "prediction, target, 1.0")),
    plant("PSNR of the squared error twice", "PSNR takes 20·log₁₀",
          (METRICS, "return 10 * math.log10", "return 20 * math.log10")),
    plant("lower ring threshold", "frc50 is the first ring below 1/7",
          ("evaluation/resolution.py", "value < 0.5", "value < 1 / 7")),
    plant("nothing is unlike the object", "an amplitude SSIM of 0 is no collapse",
          ("evaluation/collapse.py", "UNLIKE_SSIM: Final = 0.5", "UNLIKE_SSIM: Final = -1.0")),
    plant("merged by the last", "of overlapping samples the last one counts",
          (STITCHING, "    predictions = np.bincount(positions_nC.ravel()).astype(np.float32)\n",
           "    for channel, positions in enumerate(positions_nC.T):\n"
           "        total[positions] = patches_nCHW[:, channel]\n"
           "    predictions = np.ones(len(total), np.float32)\n"),
          dataset={"gridsize": 2, "test_stride": 8}),
    plant("fewer parameters told", "complex weights are counted as a half",
          ("nets/generator.py", "live = sum(parameter.numel() for",
           "live = sum(parameter.numel() // (1 + parameter.is_complex()) for")),
    plant("an epoch less told", "history leaves out its first epoch",
          ("diagnostics/history_table.py", "    epochs = history.epochs\n",
           "    epochs = history.epochs[1:]\n")),
    plant("smoothed validation loss", "history tells a running mean of the validation losses",
          ("diagnostics/history_table.py", "_column(epoch.val_loss for epoch in epochs)",
           "_column(sum(e.val_loss for e in epochs[: i + 1]) / (i + 1) for i in range(len(epochs)))")),
)  # fmt: skip
