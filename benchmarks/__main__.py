"""Every benchmark in turn: `python -m benchmarks`, or `make bench`."""
import subprocess
import sys

MODULES = ("network", "metrics", "preparation", "loading")

if __name__ == "__main__":
    for module in MODULES:
        print(f"\n## {module}\n", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{module}"], check=True)
