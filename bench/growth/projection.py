"""What a training step costs on many GPUs, by a model that is stated here and in README.md. Nothing in it was measured on a GPU."""
import math

PARAMETERS = 3_188_736             # A and B of SD 1.5's attention at rank 16
EXACT_BYTES = 16 * PARAMETERS      # two int64 words per parameter
PLAIN_BYTES = 4 * PARAMETERS       # fp32

GPUS_A_HOST = 8
NVLINK_BYTES_A_SECOND, NVLINK_LATENCY = 250e9, 25e-6     # of an all-reduce inside a host
NETWORK_BYTES_A_SECOND = 240e9     # a host: 8 × 400 Gb/s at 60 %
ETHERNET_BYTES_A_SECOND = 1.1e9    # a host: 10 Gb/s
HOP_LATENCY = 6e-6                 # a message from host to host
DEVICE_BYTES_A_SECOND = 4.3e12     # of the GPU's memory, for adding to the words and rounding them

STEP_SECONDS = {1: 0.008, 8: 0.038, 32: 0.147}  # samples per GPU: forward, backward and update, assumed


def all_reduce_seconds(gpus, message_bytes, network_bytes_a_second):
    """Inside each host, then over the hosts as a ring of 2 (h - 1) hops that moves 2 (h - 1) / h of the message."""
    local = min(gpus, GPUS_A_HOST)
    hosts = -(-gpus // GPUS_A_HOST)
    seconds = 0.0
    if local > 1:
        seconds += NVLINK_LATENCY + 2 * (local - 1) / local * message_bytes / NVLINK_BYTES_A_SECOND
    if hosts > 1:
        # Long messages as a ring, whose hops overlap with the transfer; short waits grow with the logarithm.
        seconds += 2 * math.log2(hosts) * HOP_LATENCY + 2 * (hosts - 1) / hosts * message_bytes / network_bytes_a_second
    return seconds


def exact_sum_seconds():
    """Reads and writes the words once to add, and once to round."""
    return (2 * EXACT_BYTES + EXACT_BYTES) / DEVICE_BYTES_A_SECOND


def slowest_of(gpus, relative_deviation):
    """The expected largest of that many normal variables, in units of the mean: everyone waits for the slowest."""
    return 1 + relative_deviation * math.sqrt(2 * math.log(gpus)) if gpus > 1 else 1.0


def step_seconds(gpus, samples_a_gpu, exact, network_bytes_a_second, relative_deviation):
    seconds = STEP_SECONDS[samples_a_gpu] * slowest_of(gpus, relative_deviation)
    seconds += all_reduce_seconds(gpus, EXACT_BYTES if exact else PLAIN_BYTES, network_bytes_a_second)
    return seconds + (exact_sum_seconds() if exact else 0)


def efficiency(gpus, samples_a_gpu, exact=True, network_bytes_a_second=NETWORK_BYTES_A_SECOND, relative_deviation=0.01):
    """Samples a second and GPU, relative to one GPU without any sum."""
    return STEP_SECONDS[samples_a_gpu] / step_seconds(gpus, samples_a_gpu, exact, network_bytes_a_second, relative_deviation)


def rows():
    for gpus in (1, 8, 64, 256, 1024):
        yield {"gpus": gpus,
               "all-reduce, exact, ms": 1e3 * all_reduce_seconds(gpus, EXACT_BYTES, NETWORK_BYTES_A_SECOND),
               "all-reduce, fp32, ms": 1e3 * all_reduce_seconds(gpus, PLAIN_BYTES, NETWORK_BYTES_A_SECOND),
               "1 sample a GPU, %": 100 * efficiency(gpus, 1),
               "8 samples, %": 100 * efficiency(gpus, 8),
               "8 samples, fp32, %": 100 * efficiency(gpus, 8, exact=False),
               "8 samples, 2 % jitter, %": 100 * efficiency(gpus, 8, relative_deviation=0.02),
               "8 samples, 10 GbE, %": 100 * efficiency(gpus, 8, network_bytes_a_second=ETHERNET_BYTES_A_SECOND),
               "32 samples, %": 100 * efficiency(gpus, 32)}


def table(rows):
    names = list(rows[0])
    texts = [[value if isinstance(value, str) else f"{value:.4g}" if isinstance(value, float) else f"{value:,}" for value in row.values()]
             for row in rows]
    return "\n".join(["| " + " | ".join(names) + " |", "|" + "---|" * len(names), *("| " + " | ".join(text) + " |" for text in texts)]) + "\n"


if __name__ == "__main__":
    print(table(list(rows())), end="")
