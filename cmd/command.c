/* command.c - the table of commands. */
#include "cmd/command.h"

#include <string.h>

#include "base/nearest.h"
#include "scheduler/names.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers" /* a row without groups ends with its function */
const Command commands[] = {
    { "generate", "PROMPT", 1, NULL, "draws pictures; prints each file's name",
      "  limn generate \"a red potion\"\n"
      "  limn generate \"a castle\" --count 4 --seed 7 -o 'castle-{seed}.png'\n"
      "  limn generate \"a cat\" -n \"blurry\" -s 30 --cfg-scale 7 --sampler dpmpp_2m\n"
      "  limn generate -m v1-5.safetensors -W 512 -H 512 \"a lighthouse\"\n"
      "  fortune | limn generate - -o fortune.png\n"
      "\n"
      "With --count, x.png becomes x-1.png, x-2.png, ... unless {seed} or {index} tell\n"
      "the pictures apart. A file that -o names is replaced.\n",
      cmd_generate, .groups = DRAWING },
    { "batch", "JOBS", 1, NULL, "many pictures from a file of jobs; stops and goes on",
      "  limn batch jobs.jsonl                         pictures in the folder jobs\n"
      "  limn batch prompts.txt -s 12 --count 4 -o out 4 of each line, in out\n"
      "  limn batch items.csv -o 'out/{id}_{colour}_{seed}.png'\n"
      "  limn batch jobs.jsonl --dry-run               what it would draw, and how long\n"
      "  limn batch jobs.jsonl --shard 2/8             the second of eight parts\n"
      "  limn batch jobs.jsonl --merge                 is everything there?\n"
      "\n"
      "JOBS: .jsonl, .json, .csv, .txt (a prompt a line, or A1111's --prompt \"...\"\n"
      "lines), or - for stdin. Every option is a field; a list (\"steps\": [10, 20],\n"
      "\"seed\": \"1-9\") gives a picture of each value, and a prompt may use fields:\n"
      "\"a {colour} sword\". {a|b}, {2$$a|b|c} and __name__ (a line of the file\n"
      "wildcards/name.txt) choose by the seed. The same command again goes on where\n"
      "it was stopped. docs/batch.md tells more.\n",
      cmd_batch, .groups = DRAWING | OPTIONS_OF(GROUP_BATCH) | OPTIONS_OF(GROUP_DRY_RUN) | OPTIONS_OF(GROUP_SHARDS),
      .without = "trace save-steps interpolate preview preview-vae" },
    { "compare", "PROMPT|PNGS", 1000, NULL, "which sampler, schedule and steps: measured and shown",
      "  limn compare \"a red potion\"\n"
      "  limn compare \"a red potion\" --samplers euler,heun --schedules karras,normal\n"
      "  limn compare \"a red potion\" -s 10,20,40 --by evaluations --target ssim:.98\n"
      "  limn compare \"a cat\" --axis cfg-scale=3,5,7 --axis steps=10,20\n"
      "  limn compare --axis 'prompt=a cat,a dog,\"a cat, asleep\"' --seeds 4\n"
      "  limn compare --prompts p.txt --seeds 8 -o DIR --shard 2/4   a part of it\n"
      "  limn compare --prompts p.txt --seeds 8 -o DIR --merge       the report\n"
      "  limn compare a.png b.png c.png      the same measures, against the first\n"
      "\n"
      "Prints what it concludes and writes sheet.png, report.html, compare.csv,\n"
      "compare.json and cells/*.png into a folder: that of -o, otherwise a fresh\n"
      "limn-compare-00001. Run again with the same -o it goes on where it was stopped.\n"
      "Without --seed the seed is 1.\n",
      cmd_compare, .groups = DRAWING | OPTIONS_OF(GROUP_COMPARE) | OPTIONS_OF(GROUP_SHARDS),
      .without =
          "count trace save-steps interpolate preview preview-vae sizes atlas atlas-size atlas-padding atlas-pot" },
    { "convert", "IN OUT", 2, "tokenizer vae json quiet sandbox", "a model in another layout or precision",
      "  limn convert sdxl sdxl.safetensors                     a diffusers folder as one file\n"
      "  limn convert v1-5.safetensors v1-5 --tokenizer clip    and back\n"
      "  limn convert v1-5.safetensors small.safetensors --precision f16 --prune\n"
      "  limn convert sdxl sdxl-Q8_0.gguf --type q8_0           packed in blocks\n"
      "\n"
      "OUT is made whole or not at all, and nothing is replaced. It draws what IN draws;\n"
      "what a single file cannot say of a model is refused or told. Prints OUT; its\n"
      "SHA-256 goes to stderr, with --json both to stdout.\n",
      cmd_convert, .groups = OPTIONS_OF(GROUP_CONVERT) | OPTIONS_OF(GROUP_TYPE) },
    { "upscale", "FILES", 1000, "output threads precision memory json quiet verbose sandbox",
      "makes pictures larger with a network of ESRGAN's kind",
      "  limn upscale a.png --with RealESRGAN_x4plus.safetensors      a-x4.png\n"
      "  limn upscale a.jpg b.webp --with x4.safetensors -o large/    large/a-x4.png, ...\n"
      "  limn upscale a.png --with x4.safetensors --factor 2 -o b.png\n"
      "\n"
      "A name that is taken gets a number: a-x4-2.png. Pictures are worked on in tiles\n"
      "that see their surroundings; --memory low takes smaller ones. Transparency is\n"
      "made larger by Lanczos. limn again makes the same bytes from the same picture.\n",
      cmd_upscale, .groups = OPTIONS_OF(GROUP_UPSCALE) },
    { "serve", "", 0, NULL, "draws over HTTP: a page, A1111's and OpenAI's interfaces",
      "  limn serve                                    http://127.0.0.1:7860\n"
      "  limn serve -m v1-5.safetensors --model-dir models -o pictures\n"
      "  limn serve --host 0.0.0.0 --api-key-file key  for others too\n"
      "\n"
      "Options that draw are what requests get that do not say. Ctrl-C ends it after the\n"
      "picture in progress, a second one at once. It runs in the kernel's sandbox where\n"
      "there is one. docs/serve.md tells more.\n",
      cmd_serve, .groups = DRAWING | OPTIONS_OF(GROUP_SERVE) | OPTIONS_OF(GROUP_MODEL_DIR),
      .without = "prompt seed count trace save-steps sizes atlas atlas-size atlas-padding atlas-pot latents init-image "
                 "init-image-sha256 mask mask-sha256 extend sandbox" },
    { "info", "FILE|FOLDER", 1, "model width height vae unet tokenizer refiner json sandbox",
      "how a PNG was made, or what a model is",
      "  limn info limn-00001.png\n"
      "  limn info sprites\n"
      "  limn info v1-5.safetensors -W 768 -H 512      the memory that this size needs\n",
      cmd_info },
    { "hint", "WAY:FILE", 1, "output width height resize-mode json quiet sandbox",
      "shows the map of a picture that --control goes by",
      "  limn hint edges:photo.jpg -o edges.png          Canny's edges, as OpenCV finds them\n"
      "  limn hint edges:50:150:photo.jpg -o edges.png   with thresholds of your own [100, 200]\n"
      "  limn hint lines:drawing.png -W 512 -H 512       the same at the size that will be drawn\n"
      "\n"
      "Ways: edges:LOW:HIGH, lines:N (what is dark becomes a white line), threshold:N (what\n"
      "is light), invert, tile:N (N times smaller), blur:N, luminance. Poses, depth and the\n"
      "like need a network of their own: bring such a map as a picture.\n",
      cmd_hint },
    { "again", "PICTURE", 1,
      "model vae unet tokenizer refiner init-image mask control adapter ip-adapter lora lora-dir embedding "
      "embedding-dir hires-with sampler schedule rng clip-skip ensd compat prompt-syntax emphasis output threads trace "
      "preview preview-vae json quiet verbose "
      "sandbox",
      "draws a picture again, other tools' too",
      "  limn again limn-00001.png                     the same bytes in a new file\n"
      "  limn again limn-00001.png -m models/v1-5      when the model has moved\n"
      "  limn again a1111.png -m v1-5.safetensors      a picture of another tool's\n"
      "  limn again comfy.png --dry-run                only the command that draws it\n"
      "  limn again a1111.jpg --find                   which setting comes nearer?\n"
      "\n"
      "Of other tools it reads A1111's, Forge's, ComfyUI's (--node where its graph has\n"
      "several samplers), InvokeAI's, stable-diffusion.cpp's, fastsdcpu's,\n"
      "Draw Things', Fooocus', SwarmUI's, NovelAI's and Easy Diffusion's, in PNG,\n"
      "JPEG, WebP, or the text next to a picture. What is not honoured is told, with\n"
      "how much it matters; then how near the picture came. docs/again.md tells\n"
      "more.\n",
      cmd_again, .groups = OPTIONS_OF(GROUP_AGAIN) | OPTIONS_OF(GROUP_DRY_RUN) | OPTIONS_OF(GROUP_MODEL_DIR) },
    { "variants", "PNG [N]", 2,
      "variation-strength variation-seed model vae unet tokenizer init-image mask output threads json quiet verbose "
      "sandbox",
      "draws pictures near one that limn drew",
      "  limn variants limn-00001.png 8                eight near pictures, and a sheet\n"
      "  limn variants a.png 4 --variation-strength 0.3 -o near/\n"
      "\n"
      "The first noise goes a part of the way (0.15) to another seed's; all else is as\n"
      "it is written in the picture.\n",
      cmd_variants },
    { "list", "[WHAT]", 1, "model lora-dir embedding-dir json",
      "samplers, schedules, guides, models, loras, words, ...",
      "  limn list\n"
      "  limn list samplers\n"
      "  limn list words                               what the model inside can draw\n",
      cmd_list },
    { "tokens", "PROMPT", 1,
      "prompt negative-prompt prompt-2 negative-prompt-2 prompt-syntax emphasis compat long-prompt steps model "
      "tokenizer "
      "embedding "
      "embedding-dir json quiet sandbox",
      "what a prompt becomes: ids, pieces, weights, what is cut",
      "  limn tokens \"a (red:1.3) potion\"\n"
      "  limn tokens \"a castle\" -n blurry -m v1-5.safetensors\n"
      "  fortune | limn tokens - --json                for a program\n"
      "\n"
      "Nothing is drawn; words that the model never learnt are told.\n",
      cmd_tokens },
    { "bench", "[PROMPTS]", 8, "precision threads json quiet model vae unet tokenizer steps sampler cfg-scale",
      "how fast this machine is",
      "  limn bench                                    the built-in model's network\n"
      "  limn bench --shape sd15 --size 512            Stable Diffusion 1.5's, random weights\n"
      "  limn bench --shape sd15 --type q8_0           the same in blocks of 8 bits\n"
      "  limn bench --shape sdxl --layers --json       where the time goes, for a program\n"
      "  limn bench -m MODEL                           its pictures in f32, 16 and 8 bits\n"
      "\n"
      "With -m two pictures (or one of each of up to 8 prompts) are drawn in each\n"
      "precision: how fast, how near. Where 8 bits keep 40 dB and are faster, auto takes\n"
      "them for that model from now on. --size and --steps make it shorter, and worse.\n",
      cmd_bench, .groups = OPTIONS_OF(GROUP_BENCH) | OPTIONS_OF(GROUP_TYPE) },
    { "pull", "MODEL", 1, "json quiet", "gets a model; nothing else opens a connection",
      "  limn pull stabilityai/sd-turbo --include fp16  then: limn -m stabilityai/sd-turbo\n"
      "  limn pull stabilityai/sd-turbo --to sd-turbo   into a folder of its own\n"
      "  limn pull ORG/NAME:FILE.safetensors            one file of a repository\n"
      "  limn pull civitai:4384                         Civitai's newest version of that model\n"
      "  limn pull https://example.org/x.safetensors\n"
      "\n"
      "Only what limn reads is fetched, taken up where it was stopped, checked by size\n"
      "and hash, and there whole or not at all. Models of the hub go into its own cache\n"
      "($HF_HOME, $HF_HUB_CACHE), which Python's tools share; single files into\n"
      "~/.local/share/limn/models. Tokens: $HF_TOKEN, $CIVITAI_TOKEN. A mirror:\n"
      "$HF_ENDPOINT. Prints where the model is.\n",
      cmd_pull, .groups = OPTIONS_OF(GROUP_PULL) },
    { "merge", "MODELS", 8, "lora lora-partial output quiet", "one checkpoint out of several; LoRAs baked in",
      "  limn merge A.safetensors B.safetensors --weights 0.7,0.3 -o C.safetensors\n"
      "  limn merge A.safetensors B.safetensors C.safetensors --difference 0.5 -o D.safetensors\n"
      "  limn merge A.safetensors --lora ink.safetensors:0.8 -o inked.safetensors\n"
      "  limn merge A.safetensors B.safetensors --type q8_0 -o C.gguf\n"
      "\n"
      "The first model says which tensors there are, of what type, and its metadata\n"
      "are kept. What another lacks stays as the first has it, which is told.\n"
      "--difference X is A + X (B - C). Without weights all count the same.\n",
      cmd_merge, .groups = OPTIONS_OF(GROUP_MERGE) | OPTIONS_OF(GROUP_TYPE) },
    { "help", "[COMMAND]", 1, "", "the same as --help",
      "  limn help generate\n"
      "  limn help man                 a man page; bash, zsh, fish: completions;\n"
      "                                markdown: docs/options.md\n",
      cmd_help },
    { .name = NULL },
};
#pragma GCC diagnostic pop

const Command *command_find(const char *name)
{
    for (const Command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

/* What people type who come from other tools, and what limn has for it. */
static const struct {
    const char *words, *instead;
} slips[] = {
    { "txt2img, text2img, txt2image, text-to-image, imagine, img-gen, sd, sd-cli", "limn generate PROMPT draws" },
    { "samplers, sampler", "limn list samplers" },
    { "schedules, schedulers, scheduler", "limn list schedules" },
    { "models, model, checkpoints", "limn list models, limn info MODEL" },
    { "options, flags, params", "limn list options" },
    { "words, vocabulary, vocab", "limn list words" },
    { "ls, show-models", "limn list" },
    { "version, about", "limn --version" },
    { "usage, man, commands", "limn --help" },
    { "metadata, png-info, exif, inspect, describe", "limn info PNG" },
    { "redo, replay, reproduce", "limn again PNG" },
    { "xyz, xyz-plot, sweep, ablation", "limn compare PROMPT --axis OPTION=VALUE,VALUE" },
    { "benchmark, perf", "limn bench" },
    { "queue, jobs, prompts-from-file", "limn batch JOBS" },
    { "img2img, image2image, image-to-image", "limn generate PROMPT --init-image FILE" },
    { "inpaint", "limn generate PROMPT --init-image FILE --mask FILE" },
    { "outpaint, outpainting", "limn generate PROMPT --init-image FILE --extend left=64" },
    { "pix2pix, instruct-pix2pix", "limn generate INSTRUCTION -m MODEL --init-image FILE" },
    { "esrgan, realesrgan, upscaler", "limn upscale FILE --with MODEL" },
    { "hires, hires-fix", "limn generate PROMPT --hires 2" },
    { "server, webui, web-ui, gui, ui, api, listen, daemon", "limn serve" },
    { "download, install, fetch, get", "limn pull MODEL" },
    { "search", "limn cannot search the hub; docs/models.md says where models are" },
    { "quantize, quantise", "limn convert MODEL FILE.gguf --type q8_0" },
    { "prune", "limn convert IN OUT --prune" },
    { "lora, loras", "limn generate PROMPT --lora FILE" },
    { "controlnet, control, control-net", "limn generate PROMPT --control model=FILE,image=FILE" },
    { "canny, edges, preprocess, preprocessor, detect, annotate", "limn hint edges:FILE" },
    { "embedding, embeddings", "limn generate PROMPT --embedding FILE" },
    { "tokenize, tokenise, tokenizer, count-tokens", "limn tokens PROMPT" },
    { "finetune, fine-tune, dreambooth", "limn does not train" },
    { "login, logout, update, upgrade, uninstall, config, init", "limn has no such command" },
    { NULL, NULL },
};

int command_slip(const char *word, Err *e)
{
    if (*word == '-' || strpbrk(word, " \t\n")) return 0;
    for (size_t i = 0; slips[i].words; i++)
        if (names_have(slips[i].words, word))
            return err_usage(e, "\"%.60s\" is no command of limn's: %s (limn generate %.60s draws the word)", word,
                             slips[i].instead, word);
    Nearest n = nearest_to(word);
    for (const Command *c = commands; c->name; c++) nearest_try(&n, c->name);
    if (!n.best) return 0;
    return err_usage(e, "\"%.60s\": no such command; did you mean limn %s? (limn generate %.60s draws the word)", word,
                     n.best, word);
}

/* Whether a list of names, parted by spaces, has this one. */
static bool lists(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = list; p && *p; p += strcspn(p, " "), p += strspn(p, " "))
        if (strncmp(p, name, len) == 0 && (p[len] == ' ' || !p[len])) return true;
    return false;
}

static bool has_group(const Command *c, OptionGroup group) { return c->groups & OPTIONS_OF(group); }

const Option *command_reads(const Command *c, const Option *o)
{
    for (const Option *own = job_options; own->name; own++)
        if (command_owns(c, own) && strcmp(own->name, o->name) == 0) return own;
    return o;
}

bool command_owns(const Command *c, const Option *o) { return o->group >= GROUP_BENCH && has_group(c, o->group); }

bool command_takes(const Command *c, const Option *o)
{
    if (command_reads(c, o) != o) return false;
    bool first =
        option_find(o->name, strlen(o->name)) == o; /* the row that is meant where several commands have the name */
    return has_group(c, o->group) ? !lists(c->without, o->name) : first && lists(c->options, o->name);
}

/* What an option is to one command, where that is not what its own row says, nor its default. */
static const struct {
    const char *command, *option, *help;
} rewords[] = {
    { "bench", "type", "of the UNet's weights; otherwise f16, as checkpoints have them" },
    { "merge", "output", "the file: .safetensors or .gguf; replaced where it is there" },
    { "merge", "lora",
      "bake a LoRA or one of its kin into the first model, with this strength (1); may be given again" },
    { "compare", "shard", "draw only this part of the cells, into the same -o; auto asks Slurm, Kubernetes, ..." },
    { "compare", "merge", "draw nothing: measure what the shards have drawn, and write the report" },
    { "batch", "prompt", "of jobs that have none" },
    { "batch", "negative-prompt", "what to keep out, in jobs that do not say" },
    { "batch", "seed", "of jobs that have none; otherwise one from the job's id, or its place in the file" },
    { "batch", "count", "pictures of each job that does not say; picture i has seed + i; otherwise 1" },
    { "batch", "output",
      "a folder, or a template such as 'out/{id}_{seed}.png'; otherwise the folder that is called as JOBS" },
    { "batch", "json", "print an event a line on stdout" },
    { "batch", "verbose", "print the names of finished pictures on a terminal too" },
    { "again", "dry-run", "only print the command that draws it, and what it does not honour" },
    { "again", "model-dir", "where else models are looked for, by the hash in the picture" },
    { "compare", "seed", "torch's seed; picture i of a cell has seed + i; otherwise 1" },
};

const char *command_help(const Command *c, const Option *o)
{
    for (size_t i = 0; i < sizeof rewords / sizeof *rewords; i++)
        if (strcmp(rewords[i].command, c->name) == 0 && strcmp(rewords[i].option, o->name) == 0) return rewords[i].help;
    return NULL;
}
