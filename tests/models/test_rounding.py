"""Square roots are those of IEEE 754, which NumPy takes from the processor; see ``rounding``."""

import subprocess
import sys

CODE = """
import numpy as np
import torch
from models.rounding import use_exact_square_roots

use_exact_square_roots()
use_exact_square_roots()
values = np.random.default_rng(0).random(50_000, dtype=np.float32) * 1e-6
x = torch.from_numpy(values)
exact = torch.from_numpy(np.sqrt(values))
assert torch.equal(x.sqrt(), exact)
assert torch.equal(torch._foreach_sqrt([x])[0], exact)
assert torch.equal(x.double().sqrt(), torch.from_numpy(np.sqrt(values.astype(np.float64))))
assert torch.equal(x[::2].sqrt(), exact[::2])
assert torch.tensor(2.25).sqrt().item() == 1.5
special = torch.tensor([0.0, -0.0, float("inf"), -1.0, float("nan")]).sqrt()
assert special[:3].tolist() == [0.0, 0.0, float("inf")]
assert special[3:].isnan().all()
assert torch.tensor([4, 9]).sqrt().tolist() == [2.0, 3.0]
assert torch.allclose(torch.tensor([-4 + 0j]).sqrt(), torch.tensor([2j]))
leaf = torch.tensor([0.25, 4.0], requires_grad=True)
leaf.sqrt().sum().backward()
assert leaf.grad.tolist() == [1.0, 0.25]
"""


def test_square_roots_are_exact_and_all_else_about_them_stays():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
