"""What the reference of the manifest says of this experiment, and no schema can."""

from __future__ import annotations

from runner.experiment.interface import Manual

_KNOBS = """\
`[dataset]`, `[model]`, `[train]` and `[diagnostics]` make up the parameters of an arm. Each of
these keys is a knob: it is planned, and the arm has to show it again in `effective_config.json`. A
dash in the column of defaults means that the key is absent by default, or that its default follows
from other keys as its meaning says.
"""
_EXAMPLES = {
    "Matrix": """\
```toml
[matrix]
seed = [20260128, 20260129]
model.decoder_norm = { values = ["none", "instance"], labels = ["plain", "norm"] }
train.learning_rate = [2e-3, 2e-2]
exclude = [{ model.decoder_norm = "instance", train.learning_rate = 2e-3 }]
include = [{ train.learning_rate = 0.1, seed = 20260128 }]

[profiles.quick.matrix]
seed = [20260128]
```

makes `plain-lr2e-3-s20260128`, `plain-lr2e-3-s20260129`, `plain-lr2e-2-s20260128`,
`plain-lr2e-2-s20260129`, `norm-lr2e-2-s20260128`, `norm-lr2e-2-s20260129` and
`lr0p1-s20260128`, whose `decoder_norm` is the phase's; with the profile, those of the first seed.
A number follows the initials of its key, `2e-2` is 0.02 and `0p1` is 0.1; a table is called after
its `kind` and its other keys. No order of keys in the file changes a name. Names that are not file
names or meet twice are refused, and so are an exclusion that excludes nothing, an arm's own value
of an axis, and more than 10,000 arms.
""",
    "Together": """\
```toml
[matrix]
model.architecture = ["hybrid", "stable_hybrid"]

[[matrix.together]]
seed = [101, 102, 103]
dataset.seed = [101, 102, 103]
dataset.train_object_seed = [201, 202, 203]
dataset.test_object_seed = [301, 302, 303]
```

makes six arms, `hybrid-s101` to `stable_hybrid-s103`, and three datasets: for each seed other
objects and other photons, shared by the arms of that seed. Each dataset is simulated once. Where
every seed has a draw of data of its own, as here, the arms that differ in nothing else are
replicates of one another, in the statistics and on the pages; where seeds and draws are crossed, or
several seeds share a draw, the seeds of the data are knobs like any other.
""",
    "Dataset": """\
The phase, a profile, an arm and an axis may each set any of these keys. Arms whose datasets are the
same in every key share one simulation, and a phase has as many datasets as its arms have different
ones. `probe_file` is no axis; arms of `[[arms]]` and entries of `[[matrix.include]]` may have it.
""",
}

MANUAL = Manual(introduction=_KNOBS, examples=_EXAMPLES, example_knob="train.optimizer.kind")
