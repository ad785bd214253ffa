"""What this GPU reaches at most: the median of ten products of two bf16 matrices of 8192 x 8192, by cuBLAS, after a second of them. Prints
GFLOP/s."""
import statistics
import time

import torch

SIDE, COUNT = 8192, 10


def main():
    a, b = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    warm_at = time.monotonic() + 1
    while time.monotonic() < warm_at:
        a @ b
        torch.cuda.synchronize()
    seconds = []
    for _ in range(COUNT):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        a @ b
        end.record()
        end.synchronize()
        seconds.append(start.elapsed_time(end) / 1000)
    print(f"bf16 products of {SIDE} x {SIDE}: {2 * SIDE**3 / statistics.median(seconds) / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
