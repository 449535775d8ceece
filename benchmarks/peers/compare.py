"""Tokenlog's engine and its peers on the same weights, threads and prompts, in turns. Started by `compare`.

A contender is a process that opens its model, says so in one line of JSON, and then answers lines:

    prompt TOKENS               tokens per second of a prompt, with the logits of its last token
    decode SEQUENCES TOKENS     tokens per second of all sequences together, each after a prompt of the first length

All contenders of a model are there at once; those whose turn it is not are stopped (SIGSTOP), whatever their threads do
when they wait. What other programs took of the processors meanwhile is noted with every figure.
"""

import argparse
import json
import os
import platform
import select
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# A turn during which others took more than this share of the processors is taken again, this often at most.
QUIET, TRIES = 0.04, 3

MODEL_TITLES = {"tinyllama-1.1b": "TinyLlama-1.1B shape, random", "smollm2-135m": "SmolLM2-135M-Instruct"}
CONVERTED = "tinyllama-1.1b"
PEERS = {
    "tokenlog": "Tokenlog",
    "llama.cpp": "llama.cpp",
    "llama.cpp-early-2025": "llama.cpp of early 2025",
    "ik_llama.cpp": "ik_llama.cpp",
    "jlama": "Jlama",
}


class Missing(Exception):
    """Why a contender takes no part."""


def say(text):
    print(f"compare: {text}", file=sys.stderr, flush=True)


def java():
    home = os.environ.get("JAVA_HOME")
    return str(Path(home, "bin", "java")) if home else "java"


def command(peer, cache, model, bits, threads, prompts):
    """How a contender is started, or why it is not."""
    folder = cache / "models" / model
    if peer == "tokenlog":
        artifact = next(folder.glob(f"tokenlog-{bits}/sha256-*"), None)
        if artifact is None:
            raise Missing(f"no artifact below {folder}/tokenlog-{bits}")
        return [str(ROOT / "tokenlog"), "bench", "--model", str(artifact), "--threads", str(threads),
                "--prompt", str(prompts[0]), "--stdin"]
    if peer == "jlama":
        if bits != 4:
            raise Missing("its own quantization has 4 bits")
        libraries, quantized = cache / "jlama" / "lib", folder / "jlama-q4"
        if not list(libraries.glob("jlama-core-*.jar")) or not (quantized / "config.json").exists():
            raise Missing("not set up")
        version = next(libraries.glob("jlama-core-*.jar")).stem.removeprefix("jlama-core-")
        return [*jlama(cache), f"-Djlama.version={version}", str(HERE / "jlama" / "JlamaContender.java"),
                str(quantized), str(threads), str(prompts[0])]
    python = cache / peer / "bin" / "python"
    file = folder / f"model.q{bits}_0.gguf"
    if not python.exists() or not file.exists():
        raise Missing("not set up")
    return [str(python), str(HERE / "llama_contender.py"), str(file), str(threads), str(prompts[0]), str(max(prompts))]


def jlama(cache):
    return [java(), "--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "--enable-preview",
            "--source", "25", "-cp", str(cache / "jlama" / "lib" / "*")]


def ticks(pid=None):
    """Seconds of processor time: of a process and all its threads, or of the whole machine."""
    if pid is None:
        fields = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        busy = sum(fields[:8]) - fields[3] - fields[4]
    else:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        busy = int(fields[11]) + int(fields[12])
    return busy / os.sysconf("SC_CLK_TCK")


class Contender:
    def __init__(self, peer, arguments, log):
        self.peer = peer
        self.log = open(log, "w")
        environment = dict(os.environ, TOKENLOG_NO_BUILD="1", OMP_DISPLAY_ENV="false")
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=environment,
            start_new_session=True, cwd=HERE)
        self.rest = b""
        try:
            self.ready = self.read(600)
        except BaseException:
            self.close()
            raise

    def read(self, seconds):
        """The next line of JSON; libraries may print other lines."""
        until = time.monotonic() + seconds
        while True:
            while b"\n" in self.rest:
                line, self.rest = self.rest.split(b"\n", 1)
                line = line.removeprefix(b"@")
                if line.startswith(b"{"):
                    return json.loads(line)
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise Missing(f"no answer within {seconds} s")
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                raise Missing(f"ended; see {self.log.name}")
            self.rest += part

    def ask(self, question):
        """The rate, and which share of the processors others had meanwhile."""
        machine, own, begin = ticks(), ticks(self.process.pid), time.monotonic()
        self.process.stdin.write(question.encode() + b"\n")
        self.process.stdin.flush()
        answer = self.read(300)
        elapsed = time.monotonic() - begin
        others = ticks() - machine - (ticks(self.process.pid) - own)
        rate = answer.get("rate", answer.get("tokens_per_second"))
        return rate, max(0.0, others / elapsed / os.cpu_count())

    def pause(self):
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.killpg(self.process.pid, signal.SIGCONT)

    def close(self):
        try:
            self.resume()
        except ProcessLookupError:
            pass  # it has ended by itself
        self.process.kill()
        self.process.wait()
        self.log.close()


def quiet_answer(contender, question, tries):
    best = None
    for _ in range(tries):
        answer = contender.ask(question)
        if best is None or answer[1] < best[1]:
            best = answer
        if best[0] is None or best[1] <= QUIET:
            break
    return best


def measure(options, model, bits, questions, versions, keep):
    """Rates by question and contender, a list of (rate, others) each; `keep` is called with them after every turn."""
    contenders, missing = [], {}
    logs = options.cache / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    try:
        for peer in options.peers:
            say(f"{model}, {bits} bit: {PEERS[peer]} opens its model")
            try:
                arguments = command(peer, options.cache, model, bits, options.threads, options.prompts)
                contender = Contender(peer, arguments, logs / f"{model}-{bits}-{peer}.log")
                contenders.append(contender)
                contender.ask(questions[0])
                contender.ask(f"decode 8 {min(8, options.decode)}")
                contender.pause()
                versions[peer] = {key: value for key, value in contender.ready.items() if key != "load_seconds"}
            except (Missing, BrokenPipeError) as reason:
                missing[peer] = str(reason)
                say(f"{PEERS[peer]} takes no part: {reason}")
                if contenders and contenders[-1].peer == peer:
                    contenders.pop().close()
        figures = {question: {each.peer: [] for each in contenders} for question in questions}
        for round_number in range(options.rounds):
            if round_number and time.monotonic() > options.until:
                say(f"{model}, {bits} bit: {round_number} of {options.rounds} rounds, the time is over")
                break
            say(f"{model}, {bits} bit: round {round_number + 1} of {options.rounds}")
            for question in questions:
                for contender in list(contenders):
                    contender.resume()
                    try:
                        answer = quiet_answer(contender, question, 1 if options.once else TRIES)
                        figures[question][contender.peer].append(answer)
                        contender.pause()
                    except (Missing, BrokenPipeError) as reason:
                        missing[contender.peer] = f"{question}: {reason}"
                        say(f"{PEERS[contender.peer]} is left out from here on: {missing[contender.peer]}")
                        contenders.remove(contender)
                        contender.close()
                    keep(figures, missing)
    finally:
        for contender in contenders:
            contender.close()
    return figures, missing


def convert(options, model):
    """Bytes of bfloat16 per second to 4 bits: the whole command on our side; on theirs the call alone, and the call with the
    SHA-256 of source and result, which our side computes in any case."""
    folder, out = options.cache / "models" / model, options.cache / "converted"
    source = folder / "source"
    size = sum(path.stat().st_size for path in source.glob("*.safetensors"))
    rates = {"tokenlog": [], "llama.cpp": []}
    with_digests = {"tokenlog": rates["tokenlog"], "llama.cpp": []}
    python = options.cache / "llama.cpp" / "bin" / "python"
    for _ in range(min(options.rounds, 3)):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        begin, machine, own = time.monotonic(), ticks(), os.times()
        subprocess.run(
            [str(ROOT / "tokenlog"), "quantize", str(source), "--recipe", "int4,embedding=int4", "--threads", str(options.threads),
             "--out", str(out)],
            check=True, stdout=subprocess.DEVNULL, env=dict(os.environ, TOKENLOG_NO_BUILD="1"))
        elapsed, after = time.monotonic() - begin, os.times()
        used = after.children_user + after.children_system - own.children_user - own.children_system
        others = (ticks() - machine - used) / elapsed / os.cpu_count()
        rates["tokenlog"].append((size / elapsed, max(0.0, others)))
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        if python.exists():
            machine, own, begin = ticks(), os.times(), time.monotonic()
            answer = subprocess.run(
                [str(python), str(HERE / "llama_contender.py"), "quantize", str(folder / "model.bf16.gguf"),
                 str(out / "model.gguf"), str(options.threads)],
                check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=HERE)
            elapsed, after = time.monotonic() - begin, os.times()
            used = after.children_user + after.children_system - own.children_user - own.children_system
            others = (ticks() - machine - used) / elapsed / os.cpu_count()
            line = next(each for each in answer.stdout.split(b"\n") if each.startswith(b"@"))
            answered = json.loads(line[1:])
            rates["llama.cpp"].append((answered["rate"], max(0.0, others)))
            with_digests["llama.cpp"].append((answered["rate_with_digests"], max(0.0, others)))
        shutil.rmtree(out, ignore_errors=True)
    return [{peer: values for peer, values in each.items() if values} for each in (rates, with_digests)]


def summary(values):
    rates = [rate for rate, _ in values if rate is not None]
    if not rates:
        return None
    return {"median": statistics.median(rates), "least": min(rates), "most": max(rates), "runs": rates,
            "others_share": [round(share, 3) for _, share in values]}


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(peer, measured, ours):
    """Median and spread; for a peer, how many times as fast Tokenlog is, the median of the rounds' ratios."""
    own = measured.get(peer)
    if not own:
        return "–"
    text = f"{number(own['median'])} ({number(own['least'])}–{number(own['most'])})"
    if peer == "tokenlog" or not ours:
        return text
    ratio = statistics.median(a / b for a, b in zip(ours["runs"], own["runs"]))
    return f"{text}, {ratio:.2f} ×"


def label(question):
    words = question.split()
    if words[0] == "prompt":
        return f"prompt of {int(words[1]):,}"
    return f"decode, batch {words[1]}"


def markdown(result):
    peers = [peer for peer in PEERS if any(row["figures"].get(peer) for row in result["rows"])]
    lines = ["| Model | Measure | " + " | ".join(PEERS[peer] for peer in peers) + " |",
             "|---|---|" + "---|" * len(peers)]
    for row in result["rows"]:
        cells = [cell(peer, row["figures"], row["figures"].get("tokenlog")) for peer in peers]
        lines.append(f"| {row['title']} | {row['measure']} | " + " | ".join(cells) + " |")
    lines += ["", f"Tokens per second: median (least–most) of {' or '.join(map(str, result['rounds']))} rounds in turns; behind a peer's figure how "
              "many times as fast Tokenlog is, the median of the rounds' ratios. "
              f"{result['machine']}, {result['threads']} threads, {result['date']}."]
    for peer in peers:
        if peer in result["versions"]:  # not where its conversion alone was measured
            lines.append(f"{PEERS[peer]}: {describe(result['versions'][peer])}.")
    for text in result["absent"]:
        lines.append(f"{text}.")
    disturbed = result["disturbed"]
    if disturbed[0]:
        lines.append(f"{disturbed[0]} of {disturbed[1]} figures were taken while other programs used more than "
                     f"{QUIET:.0%} of the processors.")
    return "\n".join(lines)


def describe(version):
    if "commit" in version:
        return f"commit {version['commit']}, {version['compute']}, {version['numerics_id']}"
    parts = [part.strip() for part in version["system"].replace("CPU :", "").split("|")]
    on = [part.removesuffix(" = 1") for part in parts if part and not part.endswith("= 0")]
    return f"{version['version']} ({', '.join(on)})"


def machine():
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().split("\n")
             if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} processors"


def parse():
    parser = argparse.ArgumentParser(prog="compare", description="Tokenlog and its peers, in turns.")
    parser.add_argument("--cache", type=Path, required=True, help="what --setup filled")
    parser.add_argument("--models", default="", help="of %s; default: all that are there" % ", ".join(MODEL_TITLES))
    parser.add_argument("--peers", default=",".join(PEERS), help="default: %(default)s")
    parser.add_argument("--bits", default="4,8", help="default: 4,8; empty: the conversion alone")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompts", default="256,1024", help="default: 256,1024; decoding follows the first")
    parser.add_argument("--decode", type=int, default=32, help="tokens of each sequence, at most 64; default: 32")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--quick", action="store_true", help="2 rounds, 4 bit, the first prompt alone")
    parser.add_argument("--once", action="store_true", help="take no disturbed turn again: on a machine that is never quiet")
    parser.add_argument("--minutes", type=float, default=float("inf"),
                        help="no round begins later than this, but for the first of a model")
    parser.add_argument("--no-conversion", action="store_true")
    parser.add_argument("--table", type=Path, nargs="+", metavar="FILE",
                        help="measure nothing: one table of what runs on one machine left with --json")
    parser.add_argument("--json", type=Path, help="where the figures go as JSON, after every turn")
    parser.add_argument("--markdown", type=Path, help="where the table goes besides standard output")
    options = parser.parse_args()
    if options.table:
        return options
    options.peers = options.peers.split(",")
    unknown = [peer for peer in options.peers if peer not in PEERS]
    if unknown or options.decode > 64 or options.rounds < 1:
        parser.error(f"unknown: {unknown}" if unknown else "--decode is at most 64, --rounds at least 1")
    options.until = time.monotonic() + 60 * options.minutes
    options.prompts = [int(text) for text in options.prompts.split(",")]
    options.bits = [int(text) for text in options.bits.split(",") if text]
    there = [model for model in MODEL_TITLES if (options.cache / "models" / model).is_dir()]
    options.models = options.models.split(",") if options.models else there
    if options.quick:
        options.rounds, options.bits, options.prompts = 2, options.bits[:1], options.prompts[:1]
    if not options.models or any(model not in there for model in options.models):
        parser.error(f"no models in {options.cache}: compare --setup makes them")
    return options


def joined(results):
    """One result of several that were measured one after the other."""
    first, last = results[0], results[-1]
    for key in ("machine", "threads"):
        if any(each[key] != first[key] for each in results):
            sys.exit(f"compare: runs differ in {key}: {sorted({str(each[key]) for each in results})}")
    return {
        **first,
        "date": first["date"] if first["date"] == last["date"] else f"{first['date']} to {last['date']}",
        "versions": {peer: version for each in results for peer, version in each["versions"].items()},
        "rounds": sorted({count for each in results for count in each["rounds"]}),
        "absent": [text for each in results for text in each["absent"]],
        "disturbed": [sum(each["disturbed"][i] for each in results) for i in (0, 1)],
        "rows": [row for each in results for row in each["rows"]],
    }


def main():
    options = parse()
    write(joined([json.loads(path.read_text()) for path in options.table]) if options.table else compare(options), options)


class Comparison:
    """What has been measured so far. It is kept after every turn, so that nothing of an interrupted run is lost."""

    def __init__(self, options):
        self.options = options
        self.began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        self.versions = {}
        self.done = []     # groups of rows that are complete
        self.current = []  # of the model that is measured
        self.absent = {}   # (model, bits): {peer: why}

    def keep(self, title, measures, answers):
        """`answers`: for each measure, by peer, a list of (rate, share of the others)."""
        self.current = [(title, measure, values) for measure, values in zip(measures, answers)]
        if self.options.json:
            part = self.options.json.with_name(self.options.json.name + ".part")
            part.write_text(json.dumps(self.result(), indent=1) + "\n")
            os.replace(part, self.options.json)

    def finish_model(self):
        self.done += self.current
        self.current = []

    def result(self):
        rows = self.done + self.current
        shares = [share for _, _, values in rows for answers in values.values() for _, share in answers]
        return {
            "machine": machine(),
            "threads": self.options.threads,
            "date": self.began,
            "rounds": sorted({len(answers) for _, _, values in rows for answers in values.values() if answers}),
            "decoded_tokens": self.options.decode,
            "versions": self.versions,
            "absent": [f"{PEERS[peer]} took no part in {model} at {bits} bit: {why}"
                       for (model, bits), reasons in self.absent.items() for peer, why in reasons.items()],
            "disturbed": [sum(share > QUIET for share in shares), len(shares)],
            "rows": [{"title": title, "measure": measure,
                      "figures": {peer: summary(answers) for peer, answers in values.items()}}
                     for title, measure, values in rows],
        }


def compare(options):
    questions = [f"prompt {tokens}" for tokens in options.prompts]
    questions += [f"decode 1 {options.decode}", f"decode 8 {options.decode}"]
    comparison = Comparison(options)
    for model in options.models:
        for bits in options.bits:
            title = f"{MODEL_TITLES[model]}, {bits} bit"

            def keep(figures, missing):
                comparison.absent[model, bits] = missing
                comparison.keep(title, [label(question) for question in questions],
                                [figures[question] for question in questions])

            keep(*measure(options, model, bits, questions, comparison.versions, keep))
            comparison.finish_model()
    # SmolLM2's folder may be in float32: only a source in bfloat16 is the same for both.
    if CONVERTED in options.models and not options.no_conversion:
        say(f"{CONVERTED}: conversion")
        comparison.keep(MODEL_TITLES[CONVERTED],
                        ["bfloat16 to 4 bit, MB/s", "the same with SHA-256 of source and result, MB/s"],
                        [{peer: [(rate / 1e6, share) for rate, share in values] for peer, values in rates.items()}
                         for rates in convert(options, CONVERTED)])
    return comparison.result()


def write(result, options):
    text = markdown(result)
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n")
    if options.json and options.table:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # contenders are ended on every way out
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
