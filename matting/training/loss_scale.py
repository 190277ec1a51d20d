"""Dynamic loss scaling: small gradients are kept above the least that float16 holds (Micikevicius et al. 2018)."""
import logging

import numpy as np

from matting.errors import UserError

log = logging.getLogger(__name__)

LEAST = 1  # a gradient that overflows even so is too large by itself


class LossScale:
    """What the loss is multiplied by before gradients are taken, and they are divided by after: as much as they bear.

    Halved where a gradient overflows, in which case the step is to be skipped; doubled after INTERVAL steps in a row
    without. These are the numbers of PyTorch's GradScaler. Where it is not `used`, the scale is 1 and stays.

    Of the frameworks' own, GradScaler halves for ever and MindSpore's DynamicLossScaler stays at 1 where nothing helps,
    and neither counts what it skips; this one serves both frameworks.
    """

    START, INTERVAL = 2.0**16, 2000

    def __init__(self, used):
        self.used = used
        self.scale = self.START if used else 1.0
        self.good_steps = 0  # since the scale last changed
        self.skipped = 0

    def update(self, finite):
        """Take note of a step, and whether its gradients were finite; raises UserError where no scale would help."""
        if finite:
            self.good_steps += 1
            if self.good_steps == self.INTERVAL:
                self.scale, self.good_steps = 2 * self.scale, 0
            return
        if self.scale <= LEAST:
            raise UserError("a gradient overflows in half precision however the loss is scaled; train with --amp False")
        self.scale, self.good_steps = self.scale / 2, 0
        self.skipped += 1
        log.warning("a gradient overflowed: step skipped (%d so far), loss scale halved to %g",
                    self.skipped, self.scale)

    def diagnostics(self):
        """{name: number} to report beside the loss."""
        return {"loss_scale": self.scale, "skipped_steps": self.skipped} if self.used else {}

    def state(self):
        """{name: array} to be saved."""
        return {f"loss_scale.{name}": np.array(getattr(self, name)) for name in self._saved()}

    def restore(self, state):
        """Take back what `state` gave."""
        for name in self._saved():
            setattr(self, name, state[f"loss_scale.{name}"].item())

    def _saved(self):
        return ("scale", "good_steps", "skipped") if self.used else ()
