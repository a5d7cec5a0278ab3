#!/usr/bin/env python3
"""limn compared with the programs that its users could pick instead, on the same work: Stable Diffusion 1.5 at full size, guidance on.

    bench/peers.py                          everything there is, each piece in turn; prints a table and ratios
    bench/peers.py --list                   the pieces, and which are measured
    bench/peers.py --only limn,torch-f32    these again, with the earlier results of the others
    bench/peers.py --prepare                only installs, builds and converts (no timing)

A piece is one program with one setting, alone in a process of its own under a hard time limit. Measured are a guidance step
(both halves), decoding by the VAE, the text encoder on one prompt, and the most memory that the process held. Results are
kept in $LIMN_CACHE/peers.json, so that a run that was cut off goes on where it stopped; --fresh forgets them. A machine
drifts: for figures to be told, --fresh in one run.

Weights are random, made once in $LIMN_CACHE (8 GB with all peers; default ~/.cache/limn/parity). The peers go into a virtual
environment, $LIMN_VENV or ./.venv: diffusers on torch, OpenVINO; stable-diffusion.cpp is built from its PyPI source package
in the cache. Needs cmake, make and a C++ compiler.
"""
import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("LIMN_CACHE") or Path.home() / ".cache" / "limn" / "parity").resolve()
VENV = Path(os.environ.get("LIMN_VENV") or ROOT / ".venv").resolve()
PYTHON, WORKER = VENV / "bin" / "python", ROOT / "bench" / "peer_worker.py"
MODEL, CHECKPOINT, SDCPP = CACHE / "sd15", CACHE / "sd15.safetensors", CACHE / "sdcpp"
PROMPT, NEGATIVE = "a lighthouse at night, oil on canvas", "blurry"


# --- running ----------------------------------------------------------------------------------------------------------

class Failed(Exception):
    pass


def run(command, limit, env=None):
    """Standard output and error as one text, wall seconds, peak memory in MB. Ends the whole process group at the limit."""
    start = time.monotonic()
    log = CACHE / "peers.log"
    with open(log, "w+") as out:
        p = subprocess.Popen([str(c) for c in command], stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                             env={**os.environ, **(env or {})}, cwd=CACHE)
        try:
            while True:
                pid, status, usage = os.wait4(p.pid, os.WNOHANG)
                if pid:
                    break
                if time.monotonic() - start > limit:
                    raise Failed(f"not done after {limit} s")
                time.sleep(0.05)
        except BaseException:
            os.killpg(p.pid, signal.SIGKILL)
            os.waitpid(p.pid, 0)
            raise
        finally:
            p.returncode = 0  # waited for above
        out.seek(0)
        text = out.read()
    if status:
        raise Failed(f"{Path(command[0]).name}: status {os.waitstatus_to_exitcode(status)}\n{text[-1500:]}")
    return text, time.monotonic() - start, usage.ru_maxrss * 1024 / 1e6


def seconds(text, pattern):
    found = re.findall(pattern, text)
    if not found:
        raise Failed(f"no {pattern!r} in\n{text[-1500:]}")
    return sum(float(s) for s in found)


# --- preparing: nothing of it is timed --------------------------------------------------------------------------------

def say(text):
    print(text, file=sys.stderr, flush=True)


def prepare_python(package, module):
    """Installs a package unless its module is there."""
    if not PYTHON.exists():
        say(f"making the virtual environment {VENV}")
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    if subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True).returncode:
        say(f"installing {package} into {VENV}")
        what = ["-r", ROOT / "tests" / "golden" / "requirements.txt"] if package == "torch" else [package]
        subprocess.run([VENV / "bin" / "pip", "install", "-q", *what], check=True)


def prepare_weights():
    prepare_python("torch", "torch, diffusers, transformers")
    if not (CHECKPOINT.exists() and (MODEL / "model_index.json").exists()):
        run([PYTHON, WORKER, "weights", CACHE], 1800)


def prepare_torch(piece, args):
    prepare_weights()
    done = CACHE / "inductor" / f"{key(piece, args)}.done"
    if piece.options.get("compiled") and not done.exists():  # the compiler's results are kept
        say(f"compiling {piece.name}: some minutes")
        run([PYTHON, WORKER, "torch", MODEL, *flags(piece, args), "--rounds", "0"], 3600, inductor())
        done.touch()


def prepare_openvino(piece, args):
    prepare_weights()
    prepare_python("openvino", "openvino")
    if not (CACHE / "openvino" / "vae.xml").exists():
        say("converting to OpenVINO")
        run([PYTHON, WORKER, "convert", MODEL, CACHE / "openvino"], 1800)


def prepare_openvino_int8(piece, args):
    prepare_openvino(piece, args)
    prepare_python("nncf", "nncf")
    if not (CACHE / "openvino" / "unet-int8.xml").exists():
        say("quantising OpenVINO's UNet to 8 bits: minutes")
        run([PYTHON, WORKER, "quantise", CACHE / "openvino"], 3600)


def prepare_sdcpp(piece, args):
    prepare_weights()
    if (SDCPP / piece.options["build"]).exists():
        return
    SDCPP.mkdir(exist_ok=True)
    if not list(SDCPP.glob("stable_diffusion_cpp_python-*.tar.gz")):
        say("fetching stable-diffusion.cpp")
        run([VENV / "bin" / "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", SDCPP,
             "stable-diffusion-cpp-python"], 600)
    archive = sorted(SDCPP.glob("stable_diffusion_cpp_python-*.tar.gz"))[-1]
    folder = SDCPP / archive.name.removesuffix(".tar.gz")
    if not folder.exists():
        with tarfile.open(archive) as tar:
            tar.extractall(SDCPP, filter="data")
    say(f"building stable-diffusion.cpp ({piece.options['build']}): some ten minutes")
    build, source = SDCPP / "build", folder / "vendor" / "stable-diffusion.cpp"
    run(["cmake", "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DSD_WEBP=OFF", "-DSD_WEBM=OFF",
         f"-DGGML_LLAMAFILE={'ON' if piece.options['build'] == 'sd-llamafile' else 'OFF'}"], 300)
    run(["nice", "-n", "19", "make", "-C", build, f"-j{os.cpu_count()}", "sd-cli"], 5400)
    shutil.copy(build / "bin" / "sd-cli", SDCPP / piece.options["build"])


# --- the pieces -------------------------------------------------------------------------------------------------------

def inductor():
    return {"TORCHINDUCTOR_CACHE_DIR": str(CACHE / "inductor"), "TORCHINDUCTOR_FREEZING": "1"}


def flags(piece, args):
    return ["--size", args.size, "--threads", args.threads, *piece.options.get("flags", [])]


def measure_worker(kind, folder):
    def measure(piece, args):
        env = {"OMP_NUM_THREADS": str(args.threads), **(inductor() if piece.options.get("compiled") else {})}
        text, _, peak = run([PYTHON, WORKER, kind, folder, *flags(piece, args), "--rounds", args.rounds], args.limit, env)
        return {**json.loads(text.splitlines()[-1]), "peak": peak}
    return measure


def measure_sdcpp(piece, args):
    text, _, peak = run([SDCPP / piece.options["build"], "-m", CHECKPOINT, "-p", PROMPT, "-n", NEGATIVE, "-W", args.size, "-H",
                         args.size, "--steps", args.sd_steps, "--cfg-scale", "7.5", "--sampling-method", "euler", "--seed", 1,
                         "-t", args.threads, "-o", CACHE / "sdcpp.png"], args.limit)
    taking = lambda what: seconds(text, what + r"[^\n]*taking ([\d.]+)s")
    return {"load": taking("loading tensors completed"), "clip": taking("get_learned_condition completed") / 2,
            "step": taking("sampling completed") / args.sd_steps, "vae": taking("decode_first_stage completed"), "peak": peak}


def measure_limn(piece, args):
    chosen = piece.options.get("flags", [])
    bench = [args.limn, "bench", "--shape", "sd15", "--size", args.size, "-t", args.threads, "--json", *chosen]
    r = json.loads(run(bench, args.limit)[0].splitlines()[-1])
    start = time.monotonic()
    text, _, peak = run([args.limn, "generate", "-m", CHECKPOINT, "--tokenizer", MODEL / "tokenizer", PROMPT, "-n", NEGATIVE, "-W",
                         args.size, "-H", args.size, "-s", "2", "--cfg-scale", "7.5", "--sampler", "euler", "--seed", "1", "-t",
                         args.threads, "-v", "-o", CACHE / "limn.png", *chosen], args.limit)
    whole = time.monotonic() - start
    took = {what: seconds(text, what + r" ([\d.]+)") for what in ("text", "sampling", "decoding")}
    return {"load": whole - sum(took.values()), "clip": took["text"] / 2, "step": r["step_seconds"], "vae": r["vae_seconds"],
            "peak": max(peak, r["peak_mb"]), "generate_step": took["sampling"] / 2, "generate_vae": took["decoding"],
            "generate_peak": peak, "bench_peak": r["peak_mb"], "row": r["row"], "precision": r["precision"]}


def no_preparation(piece, args):
    prepare_weights()


class Piece:
    def __init__(self, name, about, prepare, measure, **options):
        self.name, self.about, self.prepare, self.measure, self.options = name, about, prepare, measure, options


def torch_piece(name, about, *more, compiled=False):
    return Piece(name, about, prepare_torch, measure_worker("torch", MODEL), flags=list(more), compiled=compiled)


def openvino_piece(name, about, hint):
    return Piece(name, about, prepare_openvino, measure_worker("openvino", CACHE / "openvino"), flags=["--precision", hint])


PIECES = [
    Piece("limn", "as it chooses itself", no_preparation, measure_limn),
    Piece("limn-f32", "--precision f32", no_preparation, measure_limn, flags=["--precision", "f32"]),
    Piece("limn-bf16", "--precision bf16", no_preparation, measure_limn, flags=["--precision", "bf16"]),
    Piece("limn-int8", "--precision int8", no_preparation, measure_limn, flags=["--precision", "int8"]),
    torch_piece("torch-f32", "diffusers, torch, float32"),
    torch_piece("torch-f32-last", "the same, channels last", "--last"),
    torch_piece("torch-f32-compiled", "the same, torch.compile with frozen weights", "--last", "--compile", compiled=True),
    torch_piece("torch-bf16", "diffusers, torch, bfloat16", "--precision", "bf16"),
    torch_piece("torch-bf16-last", "the same, channels last", "--precision", "bf16", "--last"),
    torch_piece("torch-bf16-compiled", "the same, torch.compile with frozen weights", "--precision", "bf16", "--last", "--compile",
                compiled=True),
    openvino_piece("openvino-f32", "OpenVINO, static shapes, latency hint, f32", "f32"),
    openvino_piece("openvino-bf16", "the same, bf16", "bf16"),
    Piece("openvino-int8", "the UNet's weights and factors in 8 bits by NNCF, the rest bf16", prepare_openvino_int8,
          measure_worker("openvino", CACHE / "openvino"), flags=["--precision", "bf16", "--int8"]),
    Piece("sdcpp-default", "stable-diffusion.cpp, default CPU build, f16", prepare_sdcpp, measure_sdcpp, build="sd-default"),
    Piece("sdcpp-best", "the same with GGML_LLAMAFILE=ON, f16", prepare_sdcpp, measure_sdcpp, build="sd-llamafile"),
]

# What limn is to reach: a figure of its own, at most so much of the best of those whose name begins so.
# 8 bits are less exact than what limn chooses itself: limn-int8 is next to them in the table.
FLOORS = [("step", "sdcpp-default", 1 / 10), ("step", "sdcpp", 1 / 6), ("step", "torch-f32", 1 / 2), ("step", "torch-bf16", 0.8),
          ("step", "openvino-f32", 1), ("step", "openvino-bf16", 1), ("vae", "sdcpp", 1 / 12), ("peak", "sdcpp", 0.75)]


# --- results ----------------------------------------------------------------------------------------------------------

def machine():
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    find = lambda key: (re.search(rf"^{key}\s*: (.*)$", info, re.M) or [None, "?"])[1]
    wide = [f for f in ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if f in find("flags").split()]
    return f"{find('model name')} family {find('cpu family')} model {find('model')}, {os.cpu_count()} cores, {' '.join(wide)}"


def family(result):
    """The CPU family and model that a figure was taken on: figures of different ones are not to be compared."""
    found = re.search(r"family (\S+) model (\S+?),", result.get("machine", ""))
    return f"CPU {found[1]}/{found[2]}" if found else "CPU ?"


def key(piece, args):
    return f"{piece.name} {args.size} px {args.threads} threads"


def load_results():
    path = CACHE / "peers.json"
    return json.loads(path.read_text()) if path.exists() else {}


def save_results(results):
    temporary = CACHE / "peers.json.tmp"
    temporary.write_text(json.dumps(results, indent=1) + "\n")
    temporary.replace(CACHE / "peers.json")


def best(rows, prefix, what):
    """The row with the least of it among those whose name begins so."""
    return min((r for n, r in rows.items() if n.startswith(prefix) and what in r), key=lambda r: r[what], default=None)


def table(results, args):
    rows = {p.name: results[key(p, args)] for p in PIECES if key(p, args) in results}
    ours = rows.get("limn")
    print(f"SD 1.5, {args.size}x{args.size}, guidance on, {args.threads} threads; {machine()}\n")
    print(f"{'':<20}{'step':>9}{'':>7}{'VAE':>9}{'':>7}{'prompt':>9}{'memory':>10}{'':>7}  measured")
    for name, r in rows.items():
        if "error" in r:
            print(f"{name:<20} {r['error'].splitlines()[0]}")
            continue
        ratio = lambda what: f"x{r[what] / ours[what]:.2f}" if ours and what in ours else ""
        print(f"{name:<20}{r['step']:>7.2f} s{ratio('step'):>7}{r['vae']:>7.2f} s{ratio('vae'):>7}{r['clip']:>7.2f} s"
              f"{r['peak']:>7.0f} MB{ratio('peak'):>7}  {r['date']}  {family(r)}")
    print("\nx: of limn's. Settings:", *(f"{p.name}: {p.about};" for p in PIECES if p.name in rows), sep="\n  ")
    if not ours or "step" not in ours:
        return
    print("\nFloors: limn's figure as a part of the best of")
    for what, prefix, most in FLOORS:
        peer = best(rows, prefix, what)
        if peer:
            part = ours[what] / peer[what]
            print(f"  {what:<5}{prefix:<15}{part:>6.3f}  at most {most:.3f}: {'reached' if part <= most else 'MISSED'}")


def measure(piece, args, results):
    say(f"measuring {piece.name}: {piece.about}")
    try:
        r = piece.measure(piece, args)
    except Failed as e:
        r = {"error": str(e)}
        say(f"  {e}")
    results[key(piece, args)] = {**r, "date": time.strftime("%Y-%m-%d %H:%M"), "machine": machine(), "about": piece.about}
    save_results(results)


def chosen(args, parser):
    names = [p.name for p in PIECES]
    wanted = args.only.split(",") if args.only else names
    for name in wanted:
        if name not in names:
            parser.error(f"{name}: there are {', '.join(names)}")
    knows = "--precision" in subprocess.run([args.limn, "bench", "--help"], capture_output=True, text=True).stdout
    return [p for p in PIECES if p.name in wanted and (knows or not p.name.startswith("limn-"))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAMES", help="of these pieces, between commas; measured again")
    parser.add_argument("--list", action="store_true", help="the pieces, and which are measured")
    parser.add_argument("--table", action="store_true", help="only print what was measured")
    parser.add_argument("--prepare", action="store_true", help="only install, build and convert")
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured before")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=2, help="of each after a warm-up; the fastest counts (torch, OpenVINO)")
    parser.add_argument("--sd-steps", type=int, default=2, help="steps of stable-diffusion.cpp's picture")
    parser.add_argument("--limit", type=int, default=600, metavar="SECONDS", help="a piece that takes longer is ended")
    parser.add_argument("--limn", type=Path, default=ROOT / "build" / "limn", metavar="FILE")
    args = parser.parse_args()
    args.limn = args.limn.resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that run() ends its program too
    CACHE.mkdir(parents=True, exist_ok=True)
    pieces, results = chosen(args, parser), load_results()
    if args.list:
        for p in pieces:
            r = results.get(key(p, args), {})
            print(f"{p.name:<20} {p.about:<48} {r.get('date', 'not measured')}{' (failed)' if 'error' in r else ''}")
        return
    if args.table:
        return table(results, args)
    for p in pieces:
        p.prepare(p, args)
    if args.prepare:
        return
    for p in pieces:
        if args.only or args.fresh or "step" not in results.get(key(p, args), {}):
            measure(p, args, results)
    table(results, args)


if __name__ == "__main__":
    sys.exit(main())
