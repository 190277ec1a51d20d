"""What 8, 16 and 64 GPUs send, load and train with: python -m benchmarks.machines.

Nothing is timed: the sizes of the networks and of AIM-500 are multiplied up, for machines of 8 GPUs each.
"""
import math

from benchmarks.extent import read_extent
from benchmarks.scaling import GPUS, MB, RATES
from matting.config import MODELS, Config
from matting.dataset.aim500 import VALIDATION_STEMS
from ms_impl.registry import build, training_plan

ALL = (8, 16, 64)
BYTES = 4  # of a float32
FOREGROUNDS = 500 - len(VALIDATION_STEMS)  # of AIM-500, to train on
DOCUMENTED = 8  # GPUs of the published training on several, whose batch and learning rate are those of one


def sizes(config, stage):
    """Elements of each tensor that learns in a stage."""
    network = build(config)
    return [parameter.size for part in stage.trains for parameter in getattr(network, part).trainable_params()]


def sent(size, devices):
    """Bytes that each device sends where all add up `size` bytes along a ring: twice around, but for its own share."""
    return 2 * size * (devices - 1) / devices


def gradients(models):
    """Print what each stage of the models learns -> {stage: bytes of its gradients}."""
    print("| model, stage | tensors that learn | parameters | MB of gradients a step |\n|---|---|---|---|")
    found = {}
    for model in models:
        config = Config(model=model, device_target="CPU")
        for stage in training_plan(config):
            elements = sizes(config, stage)
            found[stage.name] = BYTES * sum(elements)
            print(f"| {model}, {stage.name} | {len(elements)} | {sum(elements)} | {found[stage.name] / MB:.1f} |")
    return found


def traffic(size, batch_size):
    """Print what devices and machines send at each step, and what each machine's loader delivers meanwhile."""
    print("\n| GPUs | machines | MB that each GPU sends a step | samples/s a GPU | steps/s | MB/s out of each machine "
          "| samples/s of each machine's loader |\n|---|---|---|---|---|---|---|")
    for devices in ALL:
        for rate in RATES:
            step, machines = sent(size, devices), devices // GPUS
            out = step * rate / batch_size if machines > 1 else 0  # of the ring one arc leaves each machine
            print(f"| {devices} | {machines} | {step / MB:.1f} | {rate} | {rate / batch_size:.1f} | {out / MB:.0f} | "
                  f"{GPUS * rate} |")


def batches(config):
    """Print the batch and learning rate that the documented training on 8 GPUs has, and those of more by it."""
    samples, whole = FOREGROUNDS * config.num_bgs_train, DOCUMENTED * config.batch_size
    print("\n| GPUs | --batch_size | samples a step | steps an epoch | --learning_rate | |\n|---|---|---|---|---|---|")
    for devices in ALL:
        for batch_size in sorted({whole // devices, config.batch_size}):
            together = devices * batch_size
            rate, by = config.learning_rate * math.sqrt(together / whole), "as documented"
            print(f"| {devices} | {batch_size} | {together} | {samples // together} | {rate:.2g} | "
                  f"{by if together == whole else 'by the square root, not tried'} |")


def main(argv=None):
    models = read_extent("benchmarks.machines", __doc__, tuple(MODELS), ("indexnet",), argv)
    config = Config()
    traffic(gradients(models)["indexnet"], config.batch_size)
    batches(config)


if __name__ == "__main__":
    main()
