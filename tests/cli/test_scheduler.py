"""A model's scheduler_config.json through the whole program: what is run, where it goes, what is said."""
import gzip

from helpers import *

with gzip.open(os.path.join(REPO, "tests/golden/scheduler/pairs.json.gz")) as packed:
    PAIRS = json.load(packed)
TINY = ["-W", "32", "-H", "32"]


def model(config, pipeline="StableDiffusionPipeline", scheduler=None, folder="m"):
    """The tiny SD 1 of the goldens with another scheduler's file."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(os.path.join(REPO, "tests/golden/pipeline/sd1"), folder)
    index = json.load(open(folder + "/model_index.json"))
    index.update(_class_name=pipeline, scheduler=["diffusers", scheduler or config.get("_class_name")])
    json.dump(index, open(folder + "/model_index.json", "w"))
    json.dump(config, open(folder + "/scheduler/scheduler_config.json", "w"))
    return folder


def trace(*args):
    limn("a cat", "-m", "m", *TINY, "-q", "--trace", "t.safetensors", "-o", "p.png", *args)
    data = read("t.safetensors")
    n = struct.unpack("<Q", data[:8])[0]
    found = {}
    for name in ("timesteps", "sigmas"):
        a, b = json.loads(data[8:8 + n])[name]["data_offsets"]
        found[name] = struct.unpack(f"<{(b - a) // 4}f", data[8 + n + a:8 + n + b])
    return found


def near(got, expected, limit=1e-5):
    return len(got) == len(expected) and all(abs(g - e) <= limit * max(1, abs(e)) for g, e in zip(got, expected))


def test_scheduler_of_the_hub():
    """The class that is run decides, by its own name, limn's, and where none is given."""
    names = {row["aliases"][-1]: row["name"] for row in json.loads(limn("list", "samplers", "--json").out) if row["aliases"]}
    for key in ("sd-1.5", "sd-2.1", "image-variations", "dreamshaper-8", "unipc", "old"):
        f = PAIRS["files"][key]
        model(f["config"], f["pipeline"])
        for row in PAIRS["rows"]:
            if row["file"] != key or row["steps"] != 6 or len(row["t"]) != 6:
                continue
            for name in (row["run"], names[row["run"]])[:2 if key == "sd-1.5" else 1]:  # names are one table, whatever the file
                found = trace("--sampler", name, "-s", "6")
                assert near(found["timesteps"], row["t"]), (key, name, found["timesteps"], row["t"])
                assert not row["sigmas"] or near(found["sigmas"], row["sigmas"]), (key, name, found["sigmas"], row["sigmas"])
    f = PAIRS["files"]["sd-1.5"]
    model(f["config"])
    found, expected = trace("-s", "6"), next(r for r in PAIRS["rows"] if r["file"] == "sd-1.5" and "Multistep" in r["run"])
    assert near(found["sigmas"], expected["sigmas"]) and "Sampler: DPM++ 2M" in texts("p.png")["parameters"]


def test_scheduler_class_of_the_index():
    """model_index.json's class counts more than the file's: the hub has files of classes for JAX too."""
    f = PAIRS["files"]["sd-2.1"]["config"]
    expected = next(r for r in PAIRS["rows"] if r["file"] == "sd-2.1" and r["run"] == "DDIMScheduler" and r["steps"] == 6)
    for config, scheduler in [(dict(f, _class_name="FlaxDDIMScheduler"), "DDIMScheduler"), (f, "FlaxDDIMScheduler"),
                              (dict(f, _class_name="PNDMScheduler"), "DDIMScheduler")]:
        model(config, scheduler=scheduler)
        assert near(trace("-s", "6")["timesteps"], expected["t"])
        assert "Sampler: DDIM" in texts("p.png")["parameters"]


def test_scheduler_order_again():
    """An order that the sampler's name does not say is kept for the next time."""
    model(dict(PAIRS["files"]["dreamlike-photoreal-2"]["config"], solver_order=1))
    limn("a cat", "-m", "m", *TINY, "-s", "4", "-q", "-o", "one.png")
    limn("a cat", "-m", "m", *TINY, "-s", "4", "-q", "-o", "two.png", "--sampler", "dpmpp_2m")
    limn("again", "one.png", "-m", "m", "-q", "-o", "again.png")
    assert read("one.png") != read("two.png") and read("one.png") == read("again.png")


def test_scheduler_refused():
    """By name, the file once; another sampler may be drawn with all the same."""
    sd = PAIRS["files"]["sd-1.5"]["config"]
    for config, word in [(dict(sd, _class_name="DPMSolverMultistepScheduler", algorithm_type="dpmsolver"), "algorithm_type"),
                         (dict(sd, _class_name="DDPMScheduler", variance_type="learned_range"), "learned_range"),
                         (dict(sd, _class_name="UniPCMultistepScheduler", predict_x0=False), "predict_x0")]:
        model(config)
        err = fails(1, "a cat", "-m", "m", *TINY, "-q", "-s", "2", "-o", "no.png", says=[word, "m/scheduler/scheduler_config.json"]).err
        assert err.count("scheduler_config.json") == 1 and not os.path.exists("no.png")
        limn("a cat", "-m", "m", *TINY, "-q", "-s", "2", "--sampler", "euler", "-o", "yes.png")
    for config in [dict(sd, _class_name="FlowMatchHeunDiscreteScheduler"), dict(sd, _class_name="IPNDMScheduler")]:
        model(config)
        for sampler in ([], ["--sampler", "euler"]):
            err = fails(1, "a cat", "-m", "m", *TINY, "-q", *sampler, "-o", "no.png", says=config["_class_name"]).err
            assert err.count("scheduler_config.json") == 1
    model(sd)
    write("m/scheduler/scheduler_config.json", b'{"beta_start": <<<<<<< HEAD}')
    assert fails(1, "a cat", "-m", "m", "-q", says="scheduler_config.json").err.count("scheduler_config.json") == 1
    model(sd)
    fails(2, "a cat", "-m", "m", *TINY, "-q", "--sampler", "pndm", "-s", "3", says=["3 steps", "plms"])
    fails(1, "a cat", "-m", "m", *TINY, "-q", "--sampler", "plms", "--prediction", "sample", says="sample")
    fails(2, "a cat", "-m", "m", *TINY, "-q", "--sampler", "IPNDMScheduler", says="IPNDMScheduler")


def test_scheduler_passed_over():
    """Keys that diffusers would not take: a line names them; none for those of other classes and earlier versions."""
    sd = PAIRS["files"]["sd-1.5"]["config"]
    model(dict(sd, predict_epsilon=True, tensor_format="pt", timestep_values=None, interpolation_type=5, solver_p=3))
    assert "passed over" not in limn("a cat", "-m", "m", *TINY, "-s", "1", "-o", "a.png").err
    model(dict(sd, predict_epsilon=False, shifts=3.0))
    err = limn("a cat", "-m", "m", *TINY, "-s", "1", "-o", "b.png").err
    assert 'passed over, as diffusers does: "predict_epsilon", "shifts"' in err and "--prediction sample" in err


def test_scheduler_eta_of_tcd():
    """diffusers' pipelines pass their own eta, 0."""
    model(PAIRS["files"]["sd-1.5"]["config"])
    for name, args in [("a", []), ("b", ["--eta", "0"]), ("c", ["--eta", "0.3"])]:
        limn("a cat", "-m", "m", *TINY, "-q", "-s", "4", "--sampler", "tcd", "--seed", "1", *args, "-o", name + ".png")
    a, b, c = ([data for kind, data in chunks(read(name + ".png")) if kind == b"IDAT"] for name in "abc")
    assert a == b != c


def test_scheduler_sample_size():
    """A UNet trained on other than squares says height, then width."""
    model(PAIRS["files"]["sd-1.5"]["config"])
    for size, expected in [([4, 6], (48, 32)), (6, (48, 48))]:
        config = json.load(open("m/unet/config.json"))
        config.update(sample_size=size)
        json.dump(config, open("m/unet/config.json", "w"))
        factor = 2 ** (len(json.load(open("m/vae/config.json"))["block_out_channels"]) - 1)
        path = limn("a cat", "-m", "m", "-s", "1", "-q", "-o", "s.png").out.strip()
        w, h = size_of(path)
        assert (w, h) == (expected[0] * factor // 8, expected[1] * factor // 8), (w, h, factor)
