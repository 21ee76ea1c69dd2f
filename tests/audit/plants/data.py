"""Bugs in the simulation of the dataset."""

from tests.audit.plants.plant import plant

GRID = "data/grid_lines.py"
FOUR = {"gridsize": 2, "test_stride": 8}

PLANTS = (
    plant("conjugated probe in the data", "patterns are made with the conjugate of the probe",
          (GRID, "    probe_norm = normalised(probe)\n", "    probe_norm = normalised(probe).conj()\n")),
    plant("no photon noise", "expected photons are stored as if counted",
          (GRID, "noise.poisson(expected_photons(patches, probe_norm, scale))",
           "expected_photons(patches, probe_norm, scale)")),
    plant("half of the photons", "the intensity scale is √2 too small",
          (GRID, "np.sqrt(dataset.photons / light)", "np.sqrt(dataset.photons / light / 2)")),
    plant("noise of another seed", "the noise has seed 0 whatever the job says",
          (GRID, 'numpy_generator(seed, f"noise.{name}")', 'numpy_generator(0, f"noise.{name}")')),
    plant("one noise for both splits", "the test split draws from the stream of the training split",
          (GRID, 'numpy_generator(seed, f"noise.{name}")', 'numpy_generator(seed, "noise.train")')),
    plant("scan not shuffled", "training samples are stored in scan order",
          (GRID, 'numpy_generator(seed, "scan_order").permutation(len(scans["train"].groups))',
           'np.arange(len(scans["train"].groups))')),
    plant("spectrum not centred in the data", "the patterns are not shifted",
          (GRID, "np.fft.fftshift(np.abs(far_field) ** 2, axes=(-2, -1))", "np.abs(far_field) ** 2")),
    plant("variance-stabilised counts", "√(count + 3/8) is stored instead of √count",
          (GRID, "np.sqrt(photons) / scale", "np.sqrt(photons + 0.375) / scale"),
          dataset={"photons": 1e4}),
    plant("fixed object", "all objects are drawn from seed 1",
          ("data/objects.py", "np.random.RandomState(seed)", "np.random.RandomState(1)")),
    plant("weaker phase", "the phase of objects is 3·tanh instead of π·tanh",
          ("data/objects.py", "np.pi * np.tanh", "3.0 * np.tanh")),
    plant("thinner lines", "the sharpest Gaussian is left out of the amplitude",
          ("data/objects.py", "((1, 1), (2, 5), (5, 10))", "((2, 5), (5, 10))")),
    plant("normalised by the maximum", "patches are divided by the largest amplitude of all",
          ("data/scan.py", "patches.max(axis=(-2, -1)).mean()", "patches.max(axis=(-2, -1)).max()")),
    plant("windows one pixel off", "patches begin one column to the left of where coords says",
          ("data/scan.py", "[which, rows, columns]", "[which, rows, np.maximum(columns - 1, 0)]")),
    plant("larger probe", "the disk is cut at 0.4 instead of 0.5",
          ("data/probe.py", "np.outer(window, window) > 0.5", "np.outer(window, window) > 0.4")),
    plant("groups in columns", "the four patches of a sample come column by column",
          ("physics/stitching.py", "groups.reshape(-1, gridsize**2)",
           "groups.swapaxes(-1, -2).reshape(-1, gridsize**2)"), dataset=FOUR),
)  # fmt: skip
