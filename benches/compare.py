#!/usr/bin/env python3
"""What do R1 to R4 and R7 cost here, beside PyTorch and JAX, in the same minutes?

Runs ours and theirs in turn, ROUNDS times, so that a slow minute of a shared machine falls on all; prints
the median of the rounds' medians, and the median, least and largest of the rounds' ratios, as a table for
BENCHMARKS.md. A line is marked when others kept more than a tenth of a core busy while a peer ran.

    cargo build --release
    python3 -m venv peers && peers/bin/pip install torch jax optax numpy safetensors
    peers/bin/python benches/compare.py [--rounds 3] [--threads 2] [R1 R2 R3 R4 R7]

With --log FILE every measured line is appended to FILE, and the table is made of all lines in it: several
short calls add up to one long one.
"""
import argparse, json, os, statistics, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
OURS = os.path.join(HERE, "..", "target", "release", "metatape")
# The best of each library on each row, as found by running all of its variants (run_all.sh).
PEERS = {
    "R1": [("pytorch loop", ["torch_maml.py", "R1", "loop", "{order}"]), ("jax mm", ["jax_maml.py", "R1", "mm", "{order}"])],
    "R2": [("pytorch loop", ["torch_maml.py", "R2", "loop", "{order}"]), ("jax mm", ["jax_maml.py", "R2", "mm", "{order}"])],
    "R3": [("pytorch vmap", ["torch_maml.py", "R3", "vmap"]), ("jax vmap", ["jax_maml.py", "R3", "vmap"])],
    "R4": [("pytorch eager 32", ["torch_maml.py", "R4", "eager", "32"]), ("pytorch eager 320", ["torch_maml.py", "R4", "eager", "320"])],
    "R7": [("pytorch one", ["torch_maml.py", "R7", "one"]), ("pytorch k", ["torch_maml.py", "R7", "k"]), ("pytorch kbatched", ["torch_maml.py", "R7", "kbatched"])],
}


def case_of(row, command, line):
    """The case of ours that a peer's line stands beside."""
    if row == "R7":
        return "one" if command[-1] == "one" else "k"
    return line.get("case", "order2") if row != "R3" else "order2"


def lines(command, threads, cwd=HERE):
    env = dict(os.environ, PEER_THREADS=str(threads), PEER_BUDGET="6")
    for pool in ("OMP", "MKL", "OPENBLAS", "RAYON"):
        env[pool + "_NUM_THREADS"] = str(threads)
    cores = ",".join(str(c) for c in range(threads))
    done = subprocess.run(["taskset", "-c", cores, *command], env=env, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("rows", nargs="*", default=["R1", "R2", "R3", "R4", "R7"])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--orders", default="2,1")
    p.add_argument("--log")
    a = p.parse_args()
    found, busy = {}, {}

    def count(key, median_ms, other_cores):
        found.setdefault(tuple(key), []).append(median_ms)
        busy.setdefault(tuple(key), []).append(other_cores)

    def keep(key, line):
        measured = [key, line["median_ms"], line.get("other_cores", 0.0)]
        count(*measured)
        if a.log:
            with open(a.log, "a") as log:
                log.write(json.dumps(measured) + "\n")

    if a.log and os.path.exists(a.log):
        for line in open(a.log):
            count(*json.loads(line))

    for turn in range(a.rounds):
        for row in a.rows:
            for line in lines([OURS, "bench", row, "--json", "--device", "cpu", "--threads", str(a.threads)], a.threads):
                keep((row, line["case"], "metatape"), line)
            orders = a.orders.split(",") if row in ("R1", "R2") else ["2"]
            for order in orders:
                for name, command in PEERS[row]:
                    command = [c.format(order=order) for c in command]
                    for line in lines([sys.executable, *command], a.threads, os.path.join(HERE, "peers")):
                        keep((row, case_of(row, command, line), name), line)
        print(f"round {turn + 1} of {a.rounds} done", file=sys.stderr)

    print(f"| row | case | metatape, ms | peer | ms | times faster | least and most |\n|---|---|---|---|---|---|---|")
    for (row, case, name), times in sorted(found.items()):
        if name == "metatape":
            continue
        each = found[(row, case, "metatape")]
        ours, theirs = statistics.median(each), statistics.median(times)
        # Of each round: both stood in the same minutes.
        ratios = sorted(theirs / ours for theirs, ours in zip(times, each))
        mark = " (others were busy)" if statistics.median(busy[(row, case, name)]) > 0.1 else ""
        print(f"| {row} | {case} | {ours:.3f} | {name} | {theirs:.3f}{mark} | {statistics.median(ratios):.2f} | {ratios[0]:.1f} to {ratios[-1]:.1f} |")
    three, one = (found.get(("R7", case, "metatape")) for case in ("k", "one"))
    if three and one:
        ratio = statistics.median(k / one for k, one in zip(three, one))
        print(f"\nR7: three exact gradients take {ratio:.2f} times one pass of their mean.")


main()
