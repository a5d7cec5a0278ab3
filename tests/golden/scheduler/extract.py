"""Takes from the full reference runs what limn's tests read: python3 extract.py FULL_DIR OUT_DIR.

FULL_DIR holds rng.json, schedulers.json and kdiffusion.json as diffusers, k-diffusion and torch 1.13.1 (CPU, float32) gave
them. Every row is kept; runs of samplers that limn does not have keep only their name and settings, so that the test counts
them as out of scope by name.
"""

import json
import sys

OURS = {
    "DDIMScheduler", "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler",
    "DPMSolverMultistepScheduler", "LCMScheduler", "sample_euler", "sample_euler_ancestral", "sample_heun", "sample_dpmpp_2m",
}


def kept(row, key):
    if row[key] in OURS:
        return row
    return {k: row[k] for k in ("name", "cls", "steps", "config", "kw") if k in row}


def main(full, out):
    schedulers = [kept(r, "cls") for r in json.load(open(f"{full}/schedulers.json"))]
    kdiffusion = json.load(open(f"{full}/kdiffusion.json"))
    kdiffusion["samplers"] = [kept(r, "name") for r in kdiffusion["samplers"]]
    rng = json.load(open(f"{full}/rng.json"))
    rng = {k: rng[k] for k in ("torch_cpu_randn_f32", "torch_cpu_rand", "cuda_philox_randn")}
    for name, rows in {"schedulers": schedulers, "kdiffusion": kdiffusion, "rng": rng}.items():
        with open(f"{out}/{name}.json", "w") as f:
            json.dump(rows, f, separators=(",", ":"))
            f.write("\n")


main(*sys.argv[1:])
