"""How long `import reseed` and `reseed --help` take, beside a bare interpreter: medians of interleaved processes.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import reseed": ["-c", "import reseed"],
    "reseed --help": ["-m", "reseed", "--help"],
}
ROUNDS = 9


def seconds(arguments: list[str]) -> float:
    """Wall time of one process."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)  # noqa: S603 (our own commands)
    return time.perf_counter() - begun


def main() -> None:
    """Print the median of each command."""
    taken = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, arguments in COMMANDS.items():
            taken[name].append(seconds(arguments))
    for name, times in taken.items():
        print(f"{name:16} {1000 * statistics.median(times):6.0f} ms")


if __name__ == "__main__":
    main()
