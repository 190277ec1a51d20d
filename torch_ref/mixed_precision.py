"""Training in mixed precision: convolutions in half precision; losses, statistics, weights and updates in float32."""
import torch

# float16 is eight times as fine; on CPU PyTorch's gradients of its convolutions take a hundred times as long
HALVES = {"cuda": torch.float16, "cpu": torch.bfloat16}


class HalfPrecision:
    """A network with its convolutions in half precision: the same inputs, alpha in float32."""

    def __init__(self, network, device_type):
        self.network = network
        self.device_type = device_type
        self.half = HALVES[device_type]

    def __call__(self, image, dropout):
        with torch.autocast(self.device_type, self.half):
            return self.network(image, dropout).float()
