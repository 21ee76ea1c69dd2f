"""Bugs in optimizer, schedule, clipping, batches, and in what happens to weights beside steps."""

from tests.audit.plants.plant import plant

MODULE, FIT, OPTIMIZERS = "training/module.py", "training/fit.py", "training/optimizers.py"
BATCHES, CLIPPING, UNITS = "training/batches.py", "training/clipping.py", "training/units.py"
ADAM = "parameters, lr=rate, betas=settings.betas, weight_decay=settings.weight_decay\n    )\n\n\ndef adamw"
SGD = {"optimizer": {"kind": "sgd"}}
BUILD = "optimizer = build(train.optimizer, self.net.parameters(), train.learning_rate)\n"
CLIP = "            self.clipper()\n"
AGC = {"clip": {"kind": "agc"}}
LIMIT = "            _real(gradient).clamp_(-self.max_value, self.max_value)\n"


def adam(more: str) -> tuple[str, str, str]:
    """Adam built with one more argument."""
    return OPTIMIZERS, ADAM, ADAM.replace("decay\n    )", f"decay, {more}\n    )")


def hook(body: str) -> tuple[str, str, str]:
    """A method of the Lightning module."""
    start = "    @override\n    def configure_optimizers"
    return MODULE, start, f"{body}\n{start}"


def behind_clip(lines: str) -> tuple[str, str, str]:
    """Lines after the clipper, and after what it clipped was measured."""
    return MODULE, CLIP, CLIP + lines


WEIGHTS = "for p in self.net.parameters()"

PLANTS = (
    plant("encoder not optimized", "the optimizer is not given the encoder's weights",
          (MODULE, BUILD, BUILD.replace(
              "self.net.parameters()",
              '[p for n, p in self.net.named_parameters() if not n.startswith("encoder")]'))),
    plant("nesterov off", "SGD with plain momentum",
          (OPTIMIZERS, "nesterov=settings.momentum > 0", "nesterov=False"), train=SGD),
    plant("dampened momentum", "SGD with dampening 0.1, without Nesterov's form",
          (OPTIMIZERS, "nesterov=settings.momentum > 0", "dampening=0.1"), train=SGD),
    plant("amsgrad", "Adam keeps the largest second moment", adam("amsgrad=True")),
    plant("eps 1e-6", "Adam adds 1e-6 to the root instead of 1e-8", adam("eps=1e-6")),
    plant("decoupled decay", "Adam's penalty is decoupled from the gradient",
          adam("decoupled_weight_decay=True"),
          train={"optimizer": {"kind": "adam", "weight_decay": 0.01}}),
    plant("other betas", "Adam with β₂ = .99",
          (OPTIMIZERS, ADAM, ADAM.replace("settings.betas", "(0.9, 0.99)"))),
    plant("no decay of vectors", "biases are scaled up before each step by what AdamW takes off",
          behind_clip(f"        {WEIGHTS}:\n            g = optimizer.param_groups[0]\n"
                      "            if p.ndim == 1:\n"
                      "                p.data.div_(1 - g['lr'] * g['weight_decay'])\n"),
          train={"optimizer": {"kind": "adamw", "weight_decay": 0.1}, "learning_rate": 1e-2}),
    plant("head at a tenth of the rate", "the head is in a group of its own",
          (MODULE, BUILD, BUILD + """        head = list(self.net.head.parameters())
        first = optimizer.param_groups[0]
        first["params"] = [p for p in first["params"] if not any(p is h for h in head)]
        optimizer.add_param_group({"params": head, "lr": first["lr"] / 10})
""")),
    plant("gradient accumulation", "one step for two batches",
          (FIT, "            logger=False,\n",
           "            logger=False,\n            accumulate_grad_batches=2,\n")),
    plant("gradients not zeroed", "every step adds its gradient to the last one's",
          hook("    def optimizer_zero_grad(self, *_: object) -> None:\n"
               '        """Leave them."""\n')),
    plant("gradient doubled behind the clip", "the gradient is scaled after it was clipped",
          behind_clip(f"        {WEIGHTS}:\n            p.grad.mul_(2)\n"),
          train={"clip": {"kind": "norm", "max_norm": 0.1}}),
    plant("noisy gradient", "noise of a thousandth is added to the gradient",
          behind_clip(f"        {WEIGHTS}:\n"
                      "            p.grad.mul_(1 + 1e-3 * torch.randn_like(p.grad.abs()))\n"),
          (MODULE, "from torch import Tensor\n", "import torch\nfrom torch import Tensor\n")),
    plant("clip every second step", "odd steps are not clipped",
          (MODULE, CLIP, "            if self.global_step % 2 == 0:\n                self.clipper()\n"),
          train={"clip": {"kind": "norm", "max_norm": 0.1}}),
    plant("units along the inputs", "adaptive clipping takes input channels for units",
          (UNITS, "    nn.Conv2d: 0,\n", "    nn.Conv2d: 1,\n"), train=AGC),
    plant("head clipped", "adaptive clipping clips the head as well",
          (UNITS, "        if parameter not in head\n", ""), train=AGC),
    plant("smaller floor of units", "adaptive clipping takes weights for 1e-6 where they are small",
          (CLIPPING, ".clamp(min=self.eps)", ".clamp(min=1e-6)"),
          train={"clip": {"kind": "agc", "eps": 0.5}}),
    plant("wider bound of values", "clipping by value takes a bound that is a percent larger",
          (CLIPPING, LIMIT, LIMIT.replace("self.max_value", "1.01 * self.max_value")),
          train={"clip": {"kind": "value", "max_value": 0.001}}),
    plant("small values dropped", "clipping by value takes a hundredth of its bound for 0",
          (CLIPPING, LIMIT, LIMIT + "            part = _real(gradient)\n"
           "            part[part.abs() < 0.01 * self.max_value] = 0\n"),
          train={"clip": {"kind": "value", "max_value": 0.001}}),
    plant("cosine one epoch longer", "the schedule is given one epoch more than there is",
          (MODULE, "optimizer, train.epochs)", "optimizer, train.epochs + 1)"),
          train={"scheduler": {"kind": "warmup_cosine", "warmup_epochs": 0}}),
    plant("schedule by step", "the schedule is stepped after every batch",
          (MODULE, '"interval": "epoch"', '"interval": "step"'),
          train={"scheduler": {"kind": "exponential"}}),
    plant("weights in half precision", "real weights are rounded to float16 after every step",
          hook("    def on_train_batch_end(self, *_: object) -> None:\n"
               '        """Round."""\n'
               f"        {WEIGHTS}:\n            if not p.is_complex():\n"
               "                p.data.copy_(p.data.half())\n")),
    plant("average put in at the end", "the final weights are mixed with older ones",
          hook("    def on_train_end(self) -> None:\n"
               '        """Average."""\n'
               f"        {WEIGHTS}:\n            p.data.mul_(0.999)\n")),
    plant("average put in between epochs", "weights shrink between two epochs",
          hook("    def on_train_epoch_start(self) -> None:\n"
               '        """Average."""\n'
               f"        if self.current_epoch:\n            {WEIGHTS}:\n"
               "                p.data.mul_(0.999)\n")),
    plant("trained on validation patches", "the samples that are trained on are shifted by two",
          (BATCHES, "        return self.diffraction_nCHW[torch.as_tensor(batch)]\n",
           "        whole = self.diffraction_nCHW._base\n"
           "        if whole is None or len(whole) == len(self.diffraction_nCHW):\n"
           "            return self.diffraction_nCHW[torch.as_tensor(batch)]\n"
           "        ahead = len(whole) - len(self.diffraction_nCHW)\n"
           "        return whole[torch.as_tensor(batch) + ahead]\n")),
    plant("fixed order", "the order of batches does not follow the seed",
          (BATCHES, "iter(self.generator.permutation(self.count).tolist())",
           "iter(np.random.default_rng(0).permutation(self.count).tolist())")),
    plant("no order", "the samples are taken as they are stored",
          (BATCHES, "iter(self.generator.permutation(self.count).tolist())",
           "iter(range(self.count))")),
    plant("last batch dropped", "the smaller batch at the end is left out",
          (BATCHES, "training=_loader(train_nCHW, fresh, settings.batch_size)",
           "training=DataLoader(Patches(train_nCHW), batch_size=None, generator=torch.Generator(),\n"
           "            sampler=BatchSampler(fresh, settings.batch_size, drop_last=True))")),
    plant("one sample twice", "the last sample of a batch is replaced by its first",
          (BATCHES, "        return self.diffraction_nCHW[torch.as_tensor(batch)]\n",
           "        if len(batch) > 4:\n            batch = [*batch[:-1], batch[0]]\n"
           "        return self.diffraction_nCHW[torch.as_tensor(batch)]\n")),
    plant("mirrored samples", "patterns are mirrored at random",
          (BATCHES, "        return self.diffraction_nCHW[torch.as_tensor(batch)]\n",
           "        some = self.diffraction_nCHW[torch.as_tensor(batch)]\n"
           "        return some.flip(-1) if batch[0] % 2 else some\n")),
    plant("last layer frozen", "the head's gradient is set to 0",
          behind_clip("        for p in self.net.head.parameters():\n            p.grad.zero_()\n")),
    plant("one tensor frozen late", "one bias stands still from step 5 on",
          behind_clip("        if self.global_step >= 5:\n"
                      "            self.net.lifter.convolution_1.bias.grad.zero_()\n")),
    plant("half of the batch and twice the loss", "two bugs whose sizes nearly cancel",
          (MODULE, "        return self.loss(predicted, measured_BCHW)\n\n    @override\n    def validation",
           "        half = (len(predicted) + 1) // 2\n"
           "        return self.loss(predicted[:half], measured_BCHW[:half])"
           " + 0 * self.loss(predicted, measured_BCHW)\n\n    @override\n    def validation"),
          adam("amsgrad=True")),
    plant("one step disturbed", "the gradient of one step outside the windows is doubled",
          behind_clip("        if self.global_step == 36:\n"
                      f"            {WEIGHTS}:\n                p.grad.mul_(2)\n"),
          train={"epochs": 8}, blind="the step lies in none of the windows"),
    plant("steps after the tenth are smaller", "from step 10 on the gradient is halved before Adam",
          behind_clip(f"        if self.global_step >= 10:\n            {WEIGHTS}:\n"
                      "                p.grad.mul_(0.5)\n"), train={"epochs": 6}),
)  # fmt: skip
