"""clients.py URL KEY LIMN - limn serve, asked by PyPI's openai and webuiapi."""

import base64
import io
import subprocess
import sys
import tempfile
import urllib.request

import openai
import webuiapi
from PIL import Image

URL, KEY, LIMN = sys.argv[1:]
SMALL = {"seed": 7, "steps": 1}


def cli(*args):
    with tempfile.TemporaryDirectory() as d:
        subprocess.run([LIMN, "a red potion", "-q", "-W", "32", "-H", "32", "-s", "1", "--seed", "7", "-o", d + "/x.png", *args], check=True)
        with open(d + "/x.png", "rb") as f:
            return f.read()


# ---- openai ----

client = openai.OpenAI(base_url=URL + "/v1", api_key=KEY)
r = client.images.generate(prompt="a red potion", size="32x32", response_format="b64_json", extra_body=SMALL)
assert base64.b64decode(r.data[0].b64_json) == cli()
r = client.images.generate(prompt="a red potion", size="32x32", n=2, quality="high", style="vivid", user="me", extra_body=SMALL, response_format="url")
ask = urllib.request.Request(r.data[0].url, headers={"Authorization": "Bearer " + KEY})
assert urllib.request.urlopen(ask).read() == cli() and len(r.data) == 2
assert "sprites" in [m.id for m in client.models.list()]
png = ("x.png", cli(), "image/png")
clear = Image.new("RGBA", (32, 32), (0, 0, 0, 255))
clear.paste((0, 0, 0, 0), (8, 8, 24, 24))
mask = io.BytesIO()
clear.save(mask, "PNG")
r = client.images.edit(image=png, mask=("m.png", mask.getvalue(), "image/png"), prompt="a key", extra_body={"steps": 4})
made = Image.open(io.BytesIO(base64.b64decode(r.data[0].b64_json))).convert("RGB")
was = Image.open(io.BytesIO(cli())).convert("RGB")
assert made.size == (32, 32) and made.getpixel((1, 1)) == was.getpixel((1, 1)) and made.tobytes() != was.tobytes()
client.images.create_variation(image=png, n=2, extra_body={"steps": 2})
events = list(client.images.generate(prompt="a red potion", size="32x32", stream=True, extra_body=SMALL))
assert events[-1].type == "image_generation.completed" and base64.b64decode(events[-1].b64_json) == cli()
events = list(client.images.generate(prompt="a red potion", size="64x64", stream=True, partial_images=3, extra_body={"seed": 7, "steps": 24}))
partial = events[:-1]
assert 1 <= len(partial) <= 3 and [e.type for e in partial] == ["image_generation.partial_image"] * len(partial) and events[-1].type == "image_generation.completed"
assert [e.partial_image_index for e in partial] == list(range(len(partial))) and all(e.size == "64x64" for e in events)
assert all(Image.open(io.BytesIO(base64.b64decode(e.b64_json))).size == (64, 64) for e in events)
events = list(client.images.edit(image=png, mask=("m.png", mask.getvalue(), "image/png"), prompt="a key", stream=True, partial_images=1, extra_body={"steps": 24}))
assert events[-1].type == "image_edit.completed" and events[-1].usage.total_tokens == 0 and {e.type for e in events[:-1]} <= {"image_edit.partial_image"}
assert client.models.retrieve("sprites").id == "sprites"
for wrong, kind in [({"size": "33x33"}, openai.BadRequestError), ({"n": 1000}, openai.BadRequestError), ({"model": "dall-e-3"}, openai.NotFoundError)]:
    try:
        client.images.generate(prompt="x", **wrong)
        raise SystemExit(f"{wrong} was taken")
    except kind as e:
        assert e.body["message"], e
try:
    openai.OpenAI(base_url=URL + "/v1", api_key="wrong-wrong").models.list()
    raise SystemExit("a wrong key was taken")
except openai.AuthenticationError:
    pass
print("ok   openai for Python", openai.__version__)

# ---- webuiapi ----

host, port = URL.split("//")[1].split(":")
api = webuiapi.WebUIApi(host=host, port=int(port), username="me", password=KEY)
r = api.txt2img(prompt="a red potion", seed=7, steps=1, width=32, height=32, sampler_name="Euler a", cfg_scale=4)
assert r.image.size == (32, 32) and r.info["all_seeds"] == [7] and "passed_over" in r.info
assert not r.info["passed_over"], r.info["passed_over"]
r = api.img2img(images=[r.image], prompt="a key", seed=7, steps=4, width=32, height=32, denoising_strength=0.6, mask_image=Image.new("L", (32, 32), 255),
                inpaint_full_res=False)
assert r.image.size == (32, 32) and not r.info["passed_over"], r.info["passed_over"]
assert api.util_get_current_model() == "sprites" and "sprites" in api.util_get_model_names()
api.util_set_model("sprites")
assert "Euler a" in api.util_get_sampler_names()
assert api.get_progress()["state"]["job_count"] == 0
api.interrupt(), api.skip()
o = api.get_options()
api.set_options(o)
assert api.get_options() == o
r = api.txt2img(prompt="a red potion", seed=7, steps=1, width=32, height=32, cfg_scale=4, n_iter=2, subseed=3, subseed_strength=0.5, enable_hr=True, hr_scale=2, hr_second_pass_steps=1)
assert len(r.images) == 2 and r.images[0].size == (64, 64) and not r.info["passed_over"], r.info["passed_over"]
assert api.extra_single_image(r.image, upscaling_resize=2, upscaler_1="Lanczos").image.size == (128, 128)
api.get_sd_vae(), api.get_latent_upscale_modes(), api.get_sd_models(), api.get_hypernetworks(), api.get_face_restorers(), api.get_realesrgan_models(), api.get_prompt_styles()
api.refresh_checkpoints(), api.get_scripts(), api.controlnet_version(), api.controlnet_model_list(), api.controlnet_module_list(), api.util_wait_for_ready(check_interval=0.1)
assert api.png_info(r.image) is not None
api.get_memory(), api.get_cmd_flags(), api.get_loras(), api.get_upscalers(), api.get_schedulers(), api.get_embeddings()
print("ok   webuiapi")
