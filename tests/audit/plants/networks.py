"""Bugs in the networks and in their initial weights."""

from tests.audit.plants.plant import plant

BLOCKS, SPECTRAL, INITIAL = "nets/blocks.py", "nets/spectral.py", "nets/initial.py"
STABLE = {"architecture": "stable_hybrid"}

PLANTS = (
    plant("input transform skipped", "the square root is not taken",
          (BLOCKS, "self.convolution_1(self.transform(x_BCHW))", "self.convolution_1(x_BCHW)"),
          model={"input_transform": "sqrt"}),
    plant("decoder norm skipped", "the declared norm is there and not called",
          (BLOCKS, "self.activation(self.norm(self.convolution_1(joined)))",
           "self.activation(self.convolution_1(joined))"), model={"decoder_norm": "instance"}),
    plant("decoder norm with another eps", "1e-3 is added to the variance instead of 1e-5",
          (BLOCKS, "lambda width: InstanceNorm(width),",
           "lambda width: InstanceNorm(width, eps=1e-3),"),
          model={"decoder_norm": "instance"}),
    plant("layerscale skipped", "λ is there and not multiplied with",
          (BLOCKS, "self.scale(self.norm(self.update(x_BCHW)))", "self.norm(self.update(x_BCHW))"),
          model=STABLE),
    plant("stable update skipped", "the block is the identity",
          (BLOCKS, "        update: Tensor = self.scale(self.norm(self.update(x_BCHW)))\n"
           "        return x_BCHW + update",
           "        update: Tensor = self.scale(self.norm(self.update(x_BCHW)))\n"
           "        return x_BCHW + 0 * update"), model=STABLE),
    plant("residual dropped", "the block gives its update without its input",
          (BLOCKS, "return x_BCHW + self.update(x_BCHW)", "return self.update(x_BCHW)")),
    plant("one residual dropped in training", "5 % dropout behind the decoder's activation",
          (BLOCKS, "        out: Tensor = self.convolution_2(active)\n",
           "        active = nn.functional.dropout(active, 0.05, self.training)\n"
           "        out: Tensor = self.convolution_2(active)\n")),
    plant("approximate activation", "GELU by its tanh approximation",
          (BLOCKS, "        self.local = nn.Conv2d(width, width, 3, padding=1)\n"
           "        self.activation = nn.GELU()\n",
           "        self.local = nn.Conv2d(width, width, 3, padding=1)\n"
           '        self.activation = nn.GELU(approximate="tanh")\n')),
    plant("skip before the upsampled", "the halves of the decoder's input are exchanged",
          (BLOCKS, "torch.cat([self.upsampler(deep_BCHW), skip_BCHW], dim=1)",
           "torch.cat([skip_BCHW, self.upsampler(deep_BCHW)], dim=1)")),
    plant("bias missing", "the lifter's second bias is taken off again",
          (BLOCKS, "        out: Tensor = self.convolution_2(lifted)\n        return out\n\n\nclass Pty",
           "        bias = self.convolution_2.bias\n"
           "        out: Tensor = self.convolution_2(lifted) - bias[:, None, None]\n"
           "        return out\n\n\nclass Pty")),
    plant("circular padding", "the local convolution pads with the other side",
          (BLOCKS, "        self.local = nn.Conv2d(width, width, 3, padding=1)\n",
           "        self.local = nn.Conv2d(width, width, 3, padding=1,"
           ' padding_mode="circular")\n')),
    plant("modes one row off", "rows 1 to M are read instead of 0 to M − 1",
          (SPECTRAL, "up = modes_BIHL[..., : self.rows_up, :]",
           "up = modes_BIHL.roll(-1, -2)[..., : self.rows_up, :]")),
    plant("lower corner one row off", "the rows of negative frequency are one too low",
          (SPECTRAL, "modes_BIHL[..., self.side - self.rows_down :, :]",
           "modes_BIHL[..., self.side - self.rows_down - 1 : -1, :]"), model={"corners": 2}),
    plant("conjugated modes", "the modes are conjugated before they are weighted",
          (SPECTRAL, "self._keep(modes_BIHL), self.weight)",
           "self._keep(modes_BIHL).conj().resolve_conj(), self.weight)")),
    plant("spectral branch unitary", "the inverse transform of columns is scaled by √N",
          (SPECTRAL, "torch.fft.irfft(columns_BOHL, n=self.side)",
           'torch.fft.irfft(columns_BOHL, n=self.side, norm="ortho")')),
    plant("encoder detached", "no gradient passes from the bottleneck to the encoder",
          ("nets/ushaped.py", "self.through(self.bottleneck, maps)",
           "self.through(self.bottleneck, maps.detach())")),
    plant("phase head without π", "the phase is tanh p",
          ("nets/heads.py", "math.pi * phase_logits.tanh()", "phase_logits.tanh()"),
          model={"output_mode": "amp_phase"}),
    plant("zero padding for reflection", "the residual blocks pad with zeros",
          ("nets/hybrid_resnet.py", "    rows = torch.cat([x_BCHW",
           "    return nn.functional.pad(x_BCHW, [1, 1, 1, 1])\n    rows = torch.cat([x_BCHW"),
          model={"architecture": "hybrid_resnet"}),
    plant("fixed initialisation", "the weights are drawn from seed 0",
          ("training/fit.py", "generator=weights_stream)",
           'generator=numpy_generator(0, "weights"))')),
    plant("wider spectral weights", "their variance is twice the declared one",
          (INITIAL, "1 / math.sqrt(2 * weight.shape[2])", "1 / math.sqrt(weight.shape[2])")),
    plant("biases begin at 0", "convolutions start without a bias",
          (INITIAL, "    _uniform(bias, bound, generator)\n",
           "    _uniform(bias, bound, generator)\n    bias.zero_()\n")),
)  # fmt: skip
