"""One peer's work in a process of its own; bench/peers.py starts it in the virtual environment and reads its last line.

    peer_worker.py weights CACHE                   random weights, as bench/parity.py has them
    peer_worker.py convert FOLDER OUT              a diffusers folder to OpenVINO
    peer_worker.py quantise OUT                    their UNet's weights and factors to 8 bits
    peer_worker.py torch FOLDER [options]          times diffusers' networks
    peer_worker.py openvino FOLDER [options]       times the converted ones
"""
import argparse
import contextlib
import json
import os
import sys
import time
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1")

import torch

TOKENS, WIDTH = 77, 768


def fastest(rounds, work):
    """Seconds of the fastest of some runs after a warm-up."""
    taken = []
    for _ in range(rounds + 1):
        start = time.monotonic()
        work()
        taken.append(time.monotonic() - start)
    return min(taken[1:] or taken)


def inputs(size, dtype=torch.float32):
    """The pair of guidance and a latent to decode."""
    g = torch.Generator().manual_seed(1)
    side = size // 8
    randn = lambda *shape: torch.randn(*shape, generator=g).to(dtype)
    return {"sample": randn(2, 4, side, side), "timestep": torch.tensor(500), "context": randn(2, TOKENS, WIDTH),
            "latent": randn(1, 4, side, side), "ids": torch.randint(0, 49000, (1, TOKENS), generator=g)}


def load_torch(folder, dtype):
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype).eval()
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=dtype).eval()
    text = CLIPTextModel.from_pretrained(folder / "text_encoder", torch_dtype=dtype).eval()
    del vae.encoder
    return unet, vae, text


def work_torch(args):
    start = time.monotonic()
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[args.precision]
    unet, vae, text = load_torch(args.folder, dtype)
    loaded = time.monotonic() - start
    io = inputs(args.size, dtype)
    decode = lambda z: vae.decode(z, return_dict=False)[0]
    if args.last:
        unet, vae = unet.to(memory_format=torch.channels_last), vae.to(memory_format=torch.channels_last)
        for name in ("sample", "latent"):
            io[name] = io[name].contiguous(memory_format=torch.channels_last)
    if args.compile:
        unet, decode = torch.compile(unet), torch.compile(decode)
    return {"load": loaded,
            "clip": fastest(args.rounds, lambda: text(io["ids"])),
            "step": fastest(args.rounds, lambda: unet(io["sample"], io["timestep"], io["context"], return_dict=False)),
            "vae": fastest(args.rounds, lambda: decode(io["latent"]))}


class Decoder(torch.nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, latent):
        return self.vae.decode(latent, return_dict=False)[0]


class Denoiser(torch.nn.Module):
    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timestep, context):
        return self.unet(sample, timestep, context, return_dict=False)[0]


class Text(torch.nn.Module):
    def __init__(self, text):
        super().__init__()
        self.text = text

    def forward(self, ids):
        return self.text(ids).last_hidden_state


def work_convert(args):
    import openvino
    unet, vae, text = load_torch(args.folder, torch.float32)
    io = inputs(64)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, module, names in (("unet", Denoiser(unet), ("sample", "timestep", "context")), ("text", Text(text), ("ids",)),
                                ("vae", Decoder(vae), ("latent",))):
        # ids in all sizes of a picture: only the latent's sides are free
        model = openvino.convert_model(module, example_input=tuple(io[n] for n in names))
        openvino.save_model(model, args.out / f"{name}.xml", compress_to_fp16=True)
    return {}


def work_quantise(args):
    import nncf
    import openvino
    model = openvino.Core().read_model(args.folder / "unet.xml")
    io = {k: v.numpy() for k, v in inputs(256).items()}
    sample = [io[n] for n in ("sample", "timestep", "context")]
    model = nncf.quantize(model, nncf.Dataset([sample]), subset_size=1, model_type=nncf.ModelType.TRANSFORMER)
    openvino.save_model(model, args.folder / "unet-int8.xml")
    return {}


def work_openvino(args):
    import openvino
    start = time.monotonic()
    core = openvino.Core()
    io = {k: v.numpy() for k, v in inputs(args.size).items()}
    settings = {"INFERENCE_PRECISION_HINT": args.precision, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": args.threads}
    requests = {}
    for name, names in (("text", ("ids",)), ("unet", ("sample", "timestep", "context")), ("vae", ("latent",))):
        model = core.read_model(args.folder / (f"{name}-int8.xml" if args.int8 and name == "unet" else f"{name}.xml"))
        model.reshape({i: list(io[n].shape) for i, n in enumerate(names)})
        request = core.compile_model(model, "CPU", settings).create_infer_request()
        requests[name] = lambda request=request, values=[io[n] for n in names]: request.infer(values)
    loaded = time.monotonic() - start
    return {"load": loaded, "clip": fastest(args.rounds, requests["text"]), "step": fastest(args.rounds, requests["unet"]),
            "vae": fastest(args.rounds, requests["vae"])}


def work_weights(args):
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import parity
    parity.make_weights("sd15", args.folder, None)
    return {}


def main():
    work = {"weights": work_weights, "convert": work_convert, "quantise": work_quantise, "torch": work_torch, "openvino": work_openvino}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", choices=work)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--int8", action="store_true", help="the quantised UNet")
    parser.add_argument("--last", action="store_true", help="channels last")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with torch.no_grad(), contextlib.redirect_stdout(sys.stderr):
        result = work[args.work](args)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
